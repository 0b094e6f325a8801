"""The references of the benchmark: what they repeat, and the order of arrival that it reads off."""

import random

import pytest
from bson import ObjectId

from scripts.bench.arrival_order import count_most_overtaken
from scripts.bench.call_costs import RecordedCommand, make_unique_name, renew, repeat
from scripts.bench.calls import BLOCK, CALL_KINDS, CallData, interleave
from scripts.bench.data import BenchmarkData
from scripts.bench.flask_reference import make_app
from scripts.bench.reference import measure_rate, subtract_hash
from scripts.bench.wrk import BenchmarkError


class FakeDatabase:
    """Answers commands with the given answers, and keeps them."""

    def __init__(self, *answers):
        self.answers, self.commands = list(answers), []

    def command(self, command):
        self.commands.append(command)
        return self.answers.pop(0)


def make_id(process, counter, second=0):
    return f"{second:08x}{process:010x}{counter:06x}"


def test_answers_in_the_order_of_arrival_overtake_nobody():
    assert count_most_overtaken(make_id(1, number) for number in range(100)) == 0
    assert count_most_overtaken([]) == 0


def test_a_booking_is_overtaken_by_later_ones_of_its_process_only():
    ids = [make_id(1, 5), make_id(2, 9), make_id(1, 6), make_id(1, 7), make_id(1, 4)]
    assert count_most_overtaken(ids) == 3
    assert count_most_overtaken([make_id(1, 0xFFFFFF, 1), make_id(1, 0, 2)]) == 0


def test_batches_in_order_overtake_less_than_their_size():
    ids, rng = [make_id(1, number) for number in range(120)], random.Random(1)
    batches = [ids[start : start + 8] for start in range(0, 120, 8)]
    for batch in batches:
        rng.shuffle(batch)
    assert 0 < count_most_overtaken(sum(batches, [])) < 8
    last_first = sum(reversed(batches), [])
    assert count_most_overtaken(last_first) >= 112


def test_a_repeated_insert_gets_new_ids_everywhere():
    old, other, name = ObjectId(), ObjectId(), make_unique_name()
    document = {"_id": old, "emailKey": f"{name}@example.org", "owner": other}
    recording = [
        RecordedCommand({"insert": "users", "documents": [document]}, {"n": 1}),
        RecordedCommand({"find": "users", "filter": {"_id": old, "owner": other}}, {}),
    ]
    inserted, read = renew(recording)
    (new,) = inserted.command["documents"]
    assert new["_id"] not in (old, other)
    assert new["owner"] == other
    assert new["emailKey"] != document["emailKey"]
    assert len(new["emailKey"]) == len(document["emailKey"])
    assert read.command == {"find": "users", "filter": {"_id": new["_id"], "owner": other}}


def test_a_repeated_write_must_have_the_same_result():
    update = RecordedCommand({"update": "favorites", "updates": []}, {"n": 1, "nModified": 1})
    assert repeat(FakeDatabase({"n": 1, "nModified": 1}), [update])
    with pytest.raises(BenchmarkError, match="update favorites"):
        repeat(FakeDatabase({"n": 1, "nModified": 0}), [update])
    with pytest.raises(BenchmarkError):
        repeat(FakeDatabase({"n": 1, "nModified": 1, "writeErrors": [{}]}), [update])


def test_a_write_of_times_may_change_less_when_it_is_repeated():
    update = RecordedCommand({"update": "loginMarks"}, {"n": 1, "nModified": 1})
    assert repeat(FakeDatabase({"n": 1, "nModified": 0}), [update])
    assert repeat(FakeDatabase({"n": 0, "nModified": 0}), [update])
    find_and_modify = RecordedCommand({"findAndModify": "loginMarks"}, {})
    assert repeat(FakeDatabase({"value": None}), [find_and_modify])


def test_the_rest_of_a_result_is_read_with_its_new_cursor():
    recording = [
        RecordedCommand({"find": "events"}, {}),
        RecordedCommand({"getMore": 7, "collection": "events"}, {}),
    ]
    db = FakeDatabase({"cursor": {"id": 99}}, {"cursor": {"id": 0}})
    assert repeat(db, recording)
    assert db.commands[1] == {"getMore": 99, "collection": "events"}


def test_each_thread_has_a_call_of_its_own():
    numbers = []

    def make_call(number):
        numbers.append(number)
        return lambda: True

    assert measure_rate(make_call, 0.05, 4) > 0
    assert sorted(numbers) == [0, 1, 2, 3]


def test_a_call_that_finds_nothing_ends_the_measurement():
    with pytest.raises(BenchmarkError, match="found nothing"):
        measure_rate(lambda _number: lambda: False, 5.0, 2)


def test_a_hash_is_subtracted_as_time():
    assert subtract_hash(100, 200) == pytest.approx(200)


@pytest.mark.parametrize("kind", [kind for kinds in CALL_KINDS.values() for kind in kinds])
def test_the_requests_of_a_block_are_of_different_users_and_in_steps(kind):
    users = [f"token{number}" for number in range(2000)]
    data = BenchmarkData(range(1, 10_001), (), (), (), users, ())
    calls = CallData(data, [f"profile{number}" for number in range(BLOCK)])
    steps = len(kind.make(calls, 0))
    requests = list(interleave(kind, calls, BLOCK + 1))
    assert len(requests) == 2 * steps * BLOCK
    for step in range(steps):
        sent = requests[step * BLOCK : (step + 1) * BLOCK]
        assert len({each.method for each in sent}) == 1
        assert len({each.token for each in sent}) in (1, BLOCK)


def test_a_plain_view_answers_the_given_bytes():
    client = make_app({"list": b'{"events":[]}'}).test_client()
    answer = client.get("/list")
    assert answer.data == b'{"events":[]}'
    assert {name for name, _ in answer.headers} == {"Content-Type", "Content-Length"}
