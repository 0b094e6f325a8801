"""Calls that arrive together run as one batch, in order, and each caller gets its own result."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from eventapp.core.batching import Batcher


class Work:
    """Doubles numbers and records the batches. If it is blocked, it waits for `proceed`."""

    def __init__(self, *, blocked=False):
        self.batches, self.started, self.proceed = [], threading.Event(), threading.Event()
        if not blocked:
            self.proceed.set()

    def __call__(self, key, items):
        self.batches.append((key, list(items)))
        self.started.set()
        assert self.proceed.wait(10)
        if "break" in items:
            raise ConnectionError("the whole batch fails")
        return [ValueError(item) if item == "bad" else item * 2 for item in items]


def submit_behind(batcher, work, first, others, submit=None):
    """Submit `first`, then `others` in order while it runs; return the outcomes in order."""
    with ThreadPoolExecutor(20) as pool:
        futures = [pool.submit(submit or get_outcome, batcher, first)]
        assert work.started.wait(10)
        for number, item in enumerate(others, 1):
            futures.append(pool.submit(submit or get_outcome, batcher, item))
            while len(batcher._queues["key"].waiting) < number:
                pass
        work.proceed.set()
        return [future.result(10) for future in futures]


def get_outcome(batcher, item):
    try:
        return batcher.submit("key", item)
    except (ValueError, ConnectionError) as error:
        return error


def test_a_single_caller_starts_at_once():
    work = Work()
    assert Batcher(work).submit("key", 4) == 8
    assert work.batches == [("key", [4])]


def test_an_exception_that_the_leader_handles_outside_is_not_passed_on():
    def submit_while_handling(batcher, item):
        try:
            raise ConnectionError("of the caller")
        except ConnectionError:
            return get_outcome(batcher, item)

    work = Work(blocked=True)
    outcomes = submit_behind(Batcher(work), work, 1, [2, 3, 4], submit=submit_while_handling)
    assert outcomes == [2, 4, 6, 8]


def test_calls_that_arrive_during_a_batch_form_the_next_one_in_order():
    work = Work(blocked=True)
    assert submit_behind(Batcher(work), work, 1, [2, 3, 4]) == [2, 4, 6, 8]
    assert work.batches == [("key", [1]), ("key", [2, 3, 4])]


def test_a_batch_is_no_larger_than_its_maximum():
    work = Work(blocked=True)
    batcher = Batcher(work, max_batch_size=2)
    assert submit_behind(batcher, work, 1, [2, 3, 4]) == [2, 4, 6, 8]
    assert [items for _, items in work.batches] == [[1], [2, 3], [4]]


def test_an_error_for_one_item_does_not_affect_the_others():
    work = Work(blocked=True)
    _, two, bad, four = submit_behind(Batcher(work), work, 1, [2, "bad", 4])
    assert (two, four) == (4, 8)
    assert isinstance(bad, ValueError)


def test_a_batch_that_fails_fails_for_all_its_callers_and_no_others():
    work = Work(blocked=True)
    batcher = Batcher(work, max_batch_size=2)
    outcomes = submit_behind(batcher, work, 1, [2, "break", 4])
    assert (outcomes[0], outcomes[3]) == (2, 8)
    assert all(isinstance(each, ConnectionError) for each in outcomes[1:3])
    assert batcher.submit("key", 5) == 10


def test_different_keys_do_not_wait_for_each_other():
    work = Work(blocked=True)
    batcher = Batcher(lambda key, items: work(key, items) if key == "slow" else items)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(batcher.submit, "slow", 1)
        assert work.started.wait(10)
        assert batcher.submit("other", 7) == 7
        work.proceed.set()
        assert slow.result(10) == 2


def test_no_call_is_kept_after_it_has_ended():
    batcher = Batcher(Work())
    with ThreadPoolExecutor(8) as pool:
        items = range(500)
        assert list(pool.map(lambda n: batcher.submit(n % 7, n), items)) == [n * 2 for n in items]
        assert batcher.submit("alone", 1) == 2
    for queue in batcher._queues.values():  # A queue is kept to know that its key is under load.
        assert (queue.has_leader, list(queue.waiting), queue.all_arrived) == (False, [], None)


@pytest.mark.parametrize("results", [[], [1, 2]])
def test_work_that_returns_the_wrong_number_of_results_is_an_error(results):
    batcher = Batcher(lambda _key, _items: results)
    with pytest.raises(ValueError):
        batcher.submit("key", 1)


def make_loaded_batcher(monkeypatch, *, arrival_wait, loaded_seconds=60):
    """Return a batcher whose last batch had four callers, and its work."""
    work = Work(blocked=True)
    batcher = Batcher(work)
    submit_behind(batcher, work, 1, [2, 3, 4, 5])
    work.batches.clear()
    set_arrival_wait(monkeypatch, arrival_wait)
    monkeypatch.setattr("eventapp.core.batching.LOADED_SECONDS", loaded_seconds)
    return batcher, work


def set_arrival_wait(monkeypatch, seconds):
    monkeypatch.setattr("eventapp.core.batching.ARRIVAL_GAP_SECONDS", seconds)
    monkeypatch.setattr("eventapp.core.batching.MAX_ARRIVAL_WAIT_SECONDS", seconds)


def test_under_load_a_leader_waits_for_as_many_callers_as_the_last_batch_had(monkeypatch):
    batcher, work = make_loaded_batcher(monkeypatch, arrival_wait=10)
    began = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda item: batcher.submit("key", item), "abcd"))
    assert [sorted(items) for _, items in work.batches] == [list("abcd")]
    assert time.monotonic() - began < 10


def test_two_groups_that_take_turns_merge_into_one_batch(monkeypatch):
    set_arrival_wait(monkeypatch, 10)
    work = Work(blocked=True)
    batcher = Batcher(work)
    with ThreadPoolExecutor(5) as pool:
        first = pool.submit(batcher.submit, "key", "a")
        assert work.started.wait(10)
        others = [pool.submit(batcher.submit, "key", item) for item in "bcd"]
        while len(batcher._queues["key"].waiting) < 3:
            pass
        work.proceed.set()
        assert first.result(10) == "aa"
        again = batcher.submit("key", "a")  # It joins the batch of the others, whose leader waits.
        assert (again, {other.result(10) for other in others}) == ("aa", {"bb", "cc", "dd"})
    assert [sorted(items) for _, items in work.batches] == [["a"], list("abcd")]


def test_a_leader_stops_waiting_when_nobody_else_arrives(monkeypatch):
    batcher, work = make_loaded_batcher(monkeypatch, arrival_wait=0.05)
    assert batcher.submit("key", 6) == 12
    assert batcher.submit("key", 7) == 14
    assert [items for _, items in work.batches] == [[6], [7]]


@pytest.mark.parametrize("loaded_seconds", [0, 60])
def test_without_load_no_leader_waits(monkeypatch, loaded_seconds):
    batcher, work = make_loaded_batcher(
        monkeypatch, arrival_wait=0.5, loaded_seconds=loaded_seconds
    )
    for item in range(5):
        assert batcher.submit("key", item) == item * 2
    began = time.monotonic()
    for item in range(5):
        assert batcher.submit("key", item) == item * 2
    assert time.monotonic() - began < 0.5
