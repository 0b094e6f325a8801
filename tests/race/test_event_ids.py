"""Events that are created at the same moment get distinct ids, and none is used again."""

import threading
import time
from collections.abc import Callable
from typing import Any

from eventapp.core.clock import utc_now
from eventapp.events import store, store_deletions
from tests.factories import event_body, make_event

THREADS, EACH = 8, 10


def together(*works: Callable[[], Any]) -> list[BaseException]:
    """Run the calls in threads at once; return what they raised."""
    start, raised = threading.Barrier(len(works)), []

    def run(work: Callable[[], Any]) -> None:
        start.wait()
        try:
            work()
        except Exception as error:  # noqa: BLE001 - a thread's error is the test's to judge
            raised.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def naive_id(db: Any) -> int:
    """The control: return the highest id in use plus one."""
    last = db.events.find_one({}, sort=[("eventId", -1)])
    time.sleep(0.001)  # as long as an insert may take
    return (last["eventId"] if last else 0) + 1


def test_two_threads_get_distinct_ids(db):
    taken: list[int] = []

    def take() -> None:
        taken.extend(store.allocate_event_ids(db)[0] for _ in range(EACH))

    assert together(*[take] * THREADS) == []
    assert sorted(taken) == list(range(1, THREADS * EACH + 1))


def test_two_threads_get_distinct_ids_even_without_a_counter(db):
    taken: list[int] = []
    for _round in range(3):
        taken.clear()
        db.counters.delete_many({})
        assert together(*[lambda: taken.extend(store.allocate_event_ids(db))] * THREADS) == []
        assert sorted(taken) == list(range(1, THREADS + 1))


def test_the_control_returns_an_id_twice(db):
    taken: list[int] = []
    together(*[lambda: taken.append(naive_id(db))] * THREADS)
    assert len(set(taken)) < len(taken)


def test_events_created_at_once_over_http_have_distinct_ids(app, db, organizer):
    answers: list[Any] = []

    def create() -> None:
        client = app.test_client()
        for _ in range(3):
            headers = organizer["headers"]
            answers.append(client.post("/api/events", json=event_body(), headers=headers))

    assert together(*[create] * THREADS) == []
    assert {answer.status_code for answer in answers} == {201}
    ids = sorted(answer.json["eventId"] for answer in answers)
    assert ids == list(range(1, THREADS * 3 + 1))
    assert db.events.count_documents({}) == THREADS * 3


def test_the_id_of_a_deleted_event_is_not_used_again(db):
    made: list[int] = []

    def create_and_delete() -> None:
        for _ in range(EACH):
            event = make_event(db)
            made.append(event["eventId"])
            store_deletions.delete_if_unchanged(db, event, now=utc_now())

    assert together(*[create_and_delete] * THREADS) == []
    assert sorted(made) == list(range(1, THREADS * EACH + 1))


def test_many_starts_at_once_agree_on_the_counter(db):
    db.events.insert_one({"eventId": 30})
    for _round in range(3):
        db.counters.delete_many({})
        assert together(*[lambda: store.advance_event_id_counter(db)] * THREADS) == []
        assert store.allocate_event_ids(db)[0] == 31
