"""A Batcher under many threads: batches run in order, and every caller gets its own result."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import pytest

from eventapp.core import batching
from eventapp.core.batching import Batcher
from eventapp.core.server.middleware import limit_concurrency

THREADS, CALLS = 64, 50
TIMEOUT_SECONDS = 20


class Refused(Exception):
    pass


def submit_all(batcher, items, key="k"):
    """Submit all items at once; return the result or the error of each."""

    def submit(item):
        try:
            return batcher.submit(key, item)
        except Refused as error:
            return error

    with ThreadPoolExecutor(len(items)) as pool:
        return list(pool.map(submit, items, timeout=TIMEOUT_SECONDS))


def submit_behind_first(batcher, entered, proceed, items):
    """Block the first batch until all other calls wait; return the futures of all calls."""
    with ThreadPoolExecutor(len(items) + 1) as pool:
        first = pool.submit(batcher.submit, "k", "first")
        assert entered.wait(TIMEOUT_SECONDS)
        calls = []
        for number, item in enumerate(items, 1):
            calls.append(pool.submit(batcher.submit, "k", item))
            while len(batcher._queues["k"].waiting) < number:
                threading.Event().wait(0.001)
        proceed.set()
        return first, calls


def make_batcher_with_blocked_first_batch(work):
    """Return a batcher, the two events that control its first batch, and its list of batches."""
    entered, proceed, batches = threading.Event(), threading.Event(), []

    def run(_key, items):
        batches.append(list(items))
        if len(batches) == 1:
            entered.set()
            assert proceed.wait(TIMEOUT_SECONDS)
        return work(items)

    return Batcher(run, max_batch_size=4), entered, proceed, batches


def test_a_failure_that_fails_all_waiting_is_raised_to_all_callers_at_once():
    class Gone(Exception):
        pass

    def work(items):
        raise Gone

    batcher, entered, proceed, batches = make_batcher_with_blocked_first_batch(work)
    batcher._fails_all_waiting = lambda error: isinstance(error, Gone)
    first, calls = submit_behind_first(batcher, entered, proceed, list("abcdef"))
    assert isinstance(first.exception(TIMEOUT_SECONDS), Gone)
    assert all(isinstance(call.exception(TIMEOUT_SECONDS), Gone) for call in calls)
    assert batches == [["first"]]
    batcher._fails_all_waiting = lambda error: False
    with pytest.raises(Gone):
        batcher.submit("k", "later")
    assert len(batches) == 2


def test_under_many_threads_every_caller_gets_an_outcome():
    """Batches succeed, refuse some items, or fail; afterwards no call and no leader remains."""
    at_work, overlaps = threading.Lock(), []

    def work(_key, items):
        if not at_work.acquire(blocking=False):
            overlaps.append(items)
        try:
            if any(item % 97 == 0 for item in items):
                raise Refused
            return [Refused() if item % 7 == 0 else -item for item in items]
        finally:
            at_work.release()

    batcher = Batcher(work, max_batch_size=8)
    wrong = []

    def submit_range(start):
        for item in range(start * CALLS, (start + 1) * CALLS):
            try:
                if batcher.submit("k", item) != -item:
                    wrong.append(item)
            except Refused:
                pass

    threads = [
        threading.Thread(target=submit_range, args=(n,), daemon=True) for n in range(THREADS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT_SECONDS)
    assert not [thread for thread in threads if thread.is_alive()]
    assert (wrong, overlaps) == ([], [])
    assert not [queue for queue in batcher._queues.values() if queue.has_leader or queue.waiting]


def test_results_go_to_their_own_callers():
    batcher = Batcher(lambda _key, items: [item * 2 for item in items])
    assert submit_all(batcher, list(range(THREADS))) == [2 * n for n in range(THREADS)]


def run_requests_with_two_permits(count):
    """Let requests join batches, of which the first is blocked until no more can come.

    Returns:
        The size of each batch.
    """
    entered, proceed, batches = threading.Event(), threading.Event(), []

    def work(_key, items):
        batches.append(len(items))
        entered.set()
        assert proceed.wait(TIMEOUT_SECONDS)
        return items

    batcher = Batcher(work)
    app = limit_concurrency(
        lambda environ, _start: batcher.submit("k", environ["number"]),
        lambda _environ: False,
        max_concurrent=2,
    )
    with ThreadPoolExecutor(count) as pool:
        answers = [pool.submit(app, {"number": number}, None) for number in range(count)]
        assert entered.wait(TIMEOUT_SECONDS)
        time.sleep(0.2)
        proceed.set()
        assert [answer.result(TIMEOUT_SECONDS) for answer in answers] == list(range(count))
    return batches


def test_a_batch_has_more_requests_than_may_run_at_once():
    assert run_requests_with_two_permits(9) == [1, 8]


def test_control_if_they_kept_their_permits_a_batch_would_have_two_at_most(monkeypatch):
    monkeypatch.setattr(batching, "give_up_permit", nullcontext)
    assert max(run_requests_with_two_permits(9)) <= 2
