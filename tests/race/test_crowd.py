"""Callers taken together: in order, each with its own result, and nobody forgotten."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from eventapp.core.batching import Crowd

THREADS, CALLS = 64, 50
PATIENCE_SECONDS = 20


class Refused(Exception):
    pass


def submit_all(crowd, items, key="k"):
    """What each got, or was refused with, all at once."""

    def submit(item):
        try:
            return crowd.submit(key, item)
        except Refused as error:
            return error

    with ThreadPoolExecutor(len(items)) as pool:
        return list(pool.map(submit, items, timeout=PATIENCE_SECONDS))


def gathered(crowd, entered, go, items):
    """Let the first lead alone until all others wait in order behind it; what each got."""
    with ThreadPoolExecutor(len(items) + 1) as pool:
        first = pool.submit(crowd.submit, "k", "first")
        assert entered.wait(PATIENCE_SECONDS)
        calls = []
        for number, item in enumerate(items, 1):
            calls.append(pool.submit(crowd.submit, "k", item))
            while len(crowd._lines["k"].waiting) < number:
                threading.Event().wait(0.001)
        go.set()
        return first, calls


def gated(work):
    """A crowd whose first round waits; what it was given, round by round."""
    entered, go, rounds = threading.Event(), threading.Event(), []

    def run(_key, items):
        rounds.append(list(items))
        if len(rounds) == 1:
            entered.set()
            assert go.wait(PATIENCE_SECONDS)
        return work(items)

    return Crowd(run, at_most=4), entered, go, rounds


def test_a_failure_that_waits_for_all_is_raised_to_all_at_once():
    class Gone(Exception):
        pass

    def work(items):
        raise Gone

    crowd, entered, go, rounds = gated(work)
    crowd._hopeless = lambda error: isinstance(error, Gone)
    first, calls = gathered(crowd, entered, go, list("abcdef"))
    assert isinstance(first.exception(PATIENCE_SECONDS), Gone)
    assert all(isinstance(call.exception(PATIENCE_SECONDS), Gone) for call in calls)
    assert rounds == [["first"]]
    crowd._hopeless = lambda error: False
    with pytest.raises(Gone):
        crowd.submit("k", "later")
    assert len(rounds) == 2


def test_nobody_is_forgotten_under_many_threads():
    """Rounds that succeed, that refuse some and that fail; at the end nothing is left behind."""
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

    crowd = Crowd(work, at_most=8)
    wrong = []

    def call_on(start):
        for item in range(start * CALLS, (start + 1) * CALLS):
            try:
                if crowd.submit("k", item) != -item:
                    wrong.append(item)
            except Refused:
                pass

    threads = [threading.Thread(target=call_on, args=(n,), daemon=True) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert not [thread for thread in threads if thread.is_alive()]
    assert (wrong, overlaps) == ([], [])
    assert not [line for line in crowd._lines.values() if line.busy or line.waiting]


def test_results_go_to_their_own_callers():
    crowd = Crowd(lambda _key, items: [item * 2 for item in items])
    assert submit_all(crowd, list(range(THREADS))) == [2 * n for n in range(THREADS)]
