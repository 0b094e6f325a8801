"""Limit how many requests of a process run at once, in the order in which they arrived.

A request that only waits for the result of another, as in a batch, gives its permit up for that
time if fewer than half of the permits are free. So a batch grows with the number of clients.
"""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Permits:
    """A fixed number of permits.

    A permit that becomes free is handed to the request that has waited for the longest time. One
    that arrives at that moment cannot take it first. Requests that want their permit back, because
    they were given their result, come before those that have not begun.
    """

    def __init__(self, count: int) -> None:
        self._lock = threading.Lock()
        self._free, self._many = count, max(1, count // 2)
        # Locks on which requests wait until a permit is handed to them.
        self._returning: deque[threading.Lock] = deque()
        self._new: deque[threading.Lock] = deque()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold a permit during the block, which this thread runs."""
        self._acquire(self._new)
        _held.permits = self
        try:
            yield
        finally:
            _held.permits = None
            self._release()

    @contextmanager
    def give_up(self) -> Iterator[None]:
        """Give up the permit that this thread holds during the block, if few permits are free.

        While many are free nobody waits for one, and the threads of a batch, which are woken up
        together, would only wait for each other to take theirs back.
        """
        if self._free >= self._many:
            yield
            return
        self._release()
        try:
            yield
        finally:
            self._acquire(self._returning)

    def _acquire(self, waiting: deque[threading.Lock]) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            handed_over = threading.Lock()
            handed_over.acquire()
            waiting.append(handed_over)
        handed_over.acquire()

    def _release(self) -> None:
        with self._lock:
            waiting = self._returning or self._new
            if waiting:
                waiting.popleft().release()
            else:
                self._free += 1


class _Held(threading.local):
    """The permits of which the thread holds one; None if it holds none."""

    permits: Permits | None = None


_held = _Held()


@contextmanager
def give_up_permit() -> Iterator[None]:
    """Give up the permit of the current request, if it has one, while the block only waits."""
    permits = _held.permits
    if permits is None:
        yield
        return
    with permits.give_up():
        yield
