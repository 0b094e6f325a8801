"""Permits: a limit of the requests that run, in the order of their arrival."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from eventapp.core.permits import Permits, give_up_permit
from tests.live import eventually

TIMEOUT_SECONDS = 20
THREADS, ROUNDS = 32, 50


def count_waiting(permits):
    return len(permits._new), len(permits._returning)


@contextmanager
def waiting_in_order(permits, run, count):
    """Let threads ask for a permit, one after the other, each of which then calls `run(number)`."""

    def ask(number):
        with permits.hold():
            run(number)

    with ThreadPoolExecutor(count) as pool:
        asked = []
        for number in range(count):
            asked.append(pool.submit(ask, number))
            eventually(lambda n=number: count_waiting(permits)[0] == n + 1, TIMEOUT_SECONDS)
        yield
        for call in asked:
            call.result(TIMEOUT_SECONDS)


def test_permits_are_handed_over_in_order_of_arrival():
    permits, order = Permits(1), []
    hold = permits.hold()
    hold.__enter__()
    with waiting_in_order(permits, order.append, 5):
        hold.__exit__(None, None, None)
    assert order == [0, 1, 2, 3, 4]


def test_a_request_that_arrives_late_does_not_come_first():
    permits, order = Permits(1), []
    hold = permits.hold()
    hold.__enter__()
    with waiting_in_order(permits, order.append, 1):
        hold.__exit__(None, None, None)
        with permits.hold():  # The other one has the permit already, although it may still sleep.
            order.append("late")
    assert order == [0, "late"]


def test_requests_that_want_their_permit_back_come_first():
    permits, order = Permits(1), []
    given_up, proceed, hold = threading.Event(), threading.Event(), permits.hold()

    def wait_for_another():
        with permits.hold():
            with give_up_permit():
                given_up.set()
                assert proceed.wait(TIMEOUT_SECONDS)
            order.append("returned")

    with ThreadPoolExecutor(1) as pool:
        returned = pool.submit(wait_for_another)
        assert given_up.wait(TIMEOUT_SECONDS)
        hold.__enter__()
        with waiting_in_order(permits, order.append, 2):
            proceed.set()
            eventually(lambda: count_waiting(permits) == (2, 1), TIMEOUT_SECONDS)
            hold.__exit__(None, None, None)
        returned.result(TIMEOUT_SECONDS)
    assert order == ["returned", 0, 1]


def test_no_more_requests_run_than_there_are_permits():
    permits, lock, running, most = Permits(4), threading.Lock(), [0], [0]

    @contextmanager
    def counted():
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        try:
            yield
        finally:
            with lock:
                running[0] -= 1

    def run(_number):
        for _ in range(ROUNDS):
            with permits.hold():
                with counted():
                    threading.Event().wait(0.0001)
                with give_up_permit():
                    threading.Event().wait(0.0001)
                with counted():
                    pass

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(run, range(THREADS), timeout=TIMEOUT_SECONDS))
    assert most[0] <= 4
    assert permits._free == 4
    assert count_waiting(permits) == (0, 0)


def test_a_permit_is_kept_while_half_of_them_are_free():
    permits = Permits(4)
    with permits.hold():
        with give_up_permit():
            assert permits._free == 3
        with ThreadPoolExecutor(2) as pool:
            proceed, begun = threading.Event(), threading.Barrier(3)

            def run():
                with permits.hold():
                    begun.wait(TIMEOUT_SECONDS)
                    assert proceed.wait(TIMEOUT_SECONDS)

            others = [pool.submit(run) for _ in range(2)]
            begun.wait(TIMEOUT_SECONDS)
            with give_up_permit():
                assert permits._free == 2
            proceed.set()
            for other in others:
                other.result(TIMEOUT_SECONDS)
    assert permits._free == 4


def test_a_permit_is_free_again_after_an_error():
    permits = Permits(1)
    for _ in range(2):
        try:
            with permits.hold(), give_up_permit():
                raise ValueError
        except ValueError:
            pass
    assert permits._free == 1


def test_a_thread_without_a_permit_gives_none_up():
    permits = Permits(1)
    with permits.hold():
        pass
    with give_up_permit():
        pass
    assert permits._free == 1
