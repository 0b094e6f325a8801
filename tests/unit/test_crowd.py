"""Calls that arrive together are worked on together, in order, and each hears its own answer."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from eventapp.core.batching import Crowd


class Work:
    """Doubles numbers; keeps the rounds; the first waits until it is let go on."""

    def __init__(self, *, blocked=False):
        self.rounds, self.begun, self.go_on = [], threading.Event(), threading.Event()
        if not blocked:
            self.go_on.set()

    def __call__(self, key, items):
        self.rounds.append((key, list(items)))
        self.begun.set()
        assert self.go_on.wait(10)
        if "break" in items:
            raise ConnectionError("all of the round")
        return [ValueError(item) if item == "bad" else item * 2 for item in items]


def gathered(crowd, work, first, rest):
    """What became of `first`, and of `rest` that arrived while it was at work, in order."""
    with ThreadPoolExecutor(20) as pool:
        futures = [pool.submit(outcome, crowd, first)]
        assert work.begun.wait(10)
        for number, item in enumerate(rest, 1):
            futures.append(pool.submit(outcome, crowd, item))
            while len(crowd._lines["key"].waiting) < number:
                pass
        work.go_on.set()
        return [future.result(10) for future in futures]


def outcome(crowd, item):
    try:
        return crowd.submit("key", item)
    except (ValueError, ConnectionError) as error:
        return error


def test_alone_one_starts_at_once():
    work = Work()
    assert Crowd(work).submit("key", 4) == 8
    assert work.rounds == [("key", [4])]


def test_who_arrives_meanwhile_goes_together_in_order():
    work = Work(blocked=True)
    assert gathered(Crowd(work), work, 1, [2, 3, 4]) == [2, 4, 6, 8]
    assert work.rounds == [("key", [1]), ("key", [2, 3, 4])]


def test_no_more_at_once_than_allowed():
    work = Work(blocked=True)
    assert gathered(Crowd(work, at_most=2), work, 1, [2, 3, 4]) == [2, 4, 6, 8]
    assert [items for _, items in work.rounds] == [[1], [2, 3], [4]]


def test_one_that_is_refused_does_not_hurt_the_others():
    work = Work(blocked=True)
    _, two, bad, four = gathered(Crowd(work), work, 1, [2, "bad", 4])
    assert (two, four) == (4, 8)
    assert isinstance(bad, ValueError)


def test_a_round_that_breaks_breaks_for_all_of_it_and_no_other():
    work = Work(blocked=True)
    crowd = Crowd(work, at_most=2)
    answers = gathered(crowd, work, 1, [2, "break", 4])
    assert (answers[0], answers[3]) == (2, 8)
    assert all(isinstance(answer, ConnectionError) for answer in answers[1:3])
    assert crowd.submit("key", 5) == 10


def test_different_keys_do_not_wait_for_each_other():
    work = Work(blocked=True)
    crowd = Crowd(lambda key, items: work(key, items) if key == "slow" else items)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(crowd.submit, "slow", 1)
        assert work.begun.wait(10)
        assert crowd.submit("other", 7) == 7
        work.go_on.set()
        assert slow.result(10) == 2


def test_nothing_is_kept_of_those_who_are_gone():
    crowd = Crowd(Work())
    with ThreadPoolExecutor(8) as pool:
        items = range(500)
        assert list(pool.map(lambda n: crowd.submit(n % 7, n), items)) == [n * 2 for n in items]
        assert crowd.submit("alone", 1) == 2
    for line in crowd._lines.values():  # only that there was a crowd
        assert (line.busy, list(line.waiting), line.full) == (False, [], None)


@pytest.mark.parametrize("results", [[], [1, 2]])
def test_work_that_miscounts_is_an_error(results):
    crowd = Crowd(lambda _key, _items: results)
    with pytest.raises(ValueError):
        crowd.submit("key", 1)


def crowd_of_four(monkeypatch, *, linger, lasts=60):
    """A crowd whose last round had four, and the work it does."""
    work = Work(blocked=True)
    crowd = Crowd(work)
    gathered(crowd, work, 1, [2, 3, 4, 5])
    work.rounds.clear()
    pause(monkeypatch, linger)
    monkeypatch.setattr("eventapp.core.batching.CROWD_SECONDS", lasts)
    return crowd, work


def pause(monkeypatch, linger):
    monkeypatch.setattr("eventapp.core.batching.LINGER_SECONDS", linger)
    monkeypatch.setattr("eventapp.core.batching.LINGER_SECONDS_IN_ALL", linger)


def test_in_a_crowd_a_round_waits_for_as_many_as_were_there_last(monkeypatch):
    crowd, work = crowd_of_four(monkeypatch, linger=10)
    began = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda item: crowd.submit("key", item), "abcd"))
    assert [sorted(items) for _, items in work.rounds] == [list("abcd")]
    assert time.monotonic() - began < 10


def test_two_halves_of_a_crowd_that_take_turns_become_one(monkeypatch):
    pause(monkeypatch, linger=10)
    work = Work(blocked=True)
    crowd = Crowd(work)
    with ThreadPoolExecutor(5) as pool:
        first = pool.submit(crowd.submit, "key", "a")
        assert work.begun.wait(10)
        others = [pool.submit(crowd.submit, "key", item) for item in "bcd"]
        while len(crowd._lines["key"].waiting) < 3:
            pass
        work.go_on.set()
        assert first.result(10) == "aa"
        again = crowd.submit("key", "a")  # in the others' round, though it had not come by then
        assert (again, {other.result(10) for other in others}) == ("aa", {"bb", "cc", "dd"})
    assert [sorted(items) for _, items in work.rounds] == [["a"], list("abcd")]


def test_fewer_are_not_waited_for_longer_than_it_takes_to_come(monkeypatch):
    crowd, work = crowd_of_four(monkeypatch, linger=0.05)
    assert crowd.submit("key", 6) == 12
    assert crowd.submit("key", 7) == 14
    assert [items for _, items in work.rounds] == [[6], [7]]


@pytest.mark.parametrize("lasts", [0, 60])
def test_without_a_crowd_nobody_waits(monkeypatch, lasts):
    crowd, work = crowd_of_four(monkeypatch, linger=0.5, lasts=lasts)
    for item in range(5):
        assert crowd.submit("key", item) == item * 2
    began = time.monotonic()
    for item in range(5):
        assert crowd.submit("key", item) == item * 2
    assert time.monotonic() - began < 0.5
