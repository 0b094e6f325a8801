"""Calls that arrive at the same time, taken together: many callers, one trip to the database."""

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

from eventapp.core.database import is_unavailable

# From so many in a round it is a crowd, until so long after its last round.
CROWD, CROWD_SECONDS = 3, 0.05
# In a crowd a round waits for all who were there at the end of the last one, those who were in it
# and those who waited: for each this long after the one before, and so long in all. Fewer, fuller
# rounds take half of the time of all of them; without those who waited, a crowd would stay two
# halves that take turns. The pauses are those of a busy machine, between the answers of one round.
LINGER_SECONDS, LINGER_SECONDS_IN_ALL = 0.005, 0.03

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Call(Generic[Item, Result]):
    """One caller's item, and what became of it."""

    __slots__ = ("error", "item", "leads", "result", "wake")

    def __init__(self, item: Item) -> None:
        self.item = item
        self.wake = threading.Lock()
        self.wake.acquire()
        self.leads = False
        self.result: Result | BaseException | None = None
        self.error: BaseException | None = None


class _Line(Generic[Item, Result]):
    """Who waits for one key.

    Attributes:
        busy: somebody is at work, or about to be.
        crowd: how many were there when the last round ended, at `ended` (monotonic seconds).
        full: to be released when `crowd` callers wait; None while nobody lingers.
    """

    __slots__ = ("busy", "crowd", "ended", "full", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[_Call[Item, Result]] = deque()
        self.busy = False
        self.crowd, self.ended = 0, 0.0
        self.full: threading.Lock | None = None

    def join(self, call: _Call[Item, Result]) -> None:
        self.waiting.append(call)
        call.leads, self.busy = not self.busy, True
        if self.full and len(self.waiting) >= self.crowd:
            self.full.release()
            self.full = None


class Crowd(Generic[Item, Result]):
    """Runs `work(key, items)` with all items that wait for the same key, in order of arrival.

    A caller who finds nobody at work starts at once, so that there is no added delay without a
    crowd. Who arrives meanwhile waits, and the first of them leads the next round. In a crowd,
    a round lingers for those who are on their way. `work` gives one result an item; an exception
    among them is raised to its own caller, and one that `work` itself raises goes to all of the
    round; to all who wait, too, where `hopeless` says that their round would only fail the same
    way, and later than they must hear of it.
    """

    def __init__(
        self,
        work: Callable[[Hashable, Sequence[Item]], Sequence[Result | BaseException]],
        *,
        at_most: int = 128,
        hopeless: Callable[[BaseException], bool] = is_unavailable,
    ) -> None:
        self._work, self._at_most, self._hopeless = work, at_most, hopeless
        self._lock = threading.Lock()
        self._lines: dict[Hashable, _Line[Item, Result]] = {}

    def submit(self, key: Hashable, item: Item) -> Result:
        """The result of `item`; raises what its work raised."""
        call: _Call[Item, Result] = _Call(item)
        with self._lock:
            line = self._lines.get(key)
            if line is None:
                line = self._lines[key] = _Line()
            line.join(call)
        if not call.leads:
            call.wake.acquire()
        if call.leads:
            self._round(key, line)
        if call.error is not None:
            raise call.error
        if isinstance(call.result, BaseException):
            raise call.result
        return call.result  # type: ignore[return-value]

    def _round(self, key: Hashable, line: _Line[Item, Result]) -> None:
        self._linger(line)
        with self._lock:
            waiting = line.waiting
            calls = [waiting.popleft() for _ in range(min(len(waiting), self._at_most))]
        try:
            results = self._work(key, [call.item for call in calls])
            for call, result in zip(calls, results, strict=True):
                call.result = result
        finally:
            failure = sys.exc_info()[1]
            hopeless = failure is not None and self._hopeless(failure)
            self._hand_over(key, line, calls, hopeless=hopeless)
            _wake(calls, failure)

    def _linger(self, line: _Line[Item, Result]) -> None:
        """In a crowd, wait for those who will come again."""
        now = time.monotonic()
        with self._lock:
            come = len(line.waiting)
            if come >= line.crowd or line.crowd < CROWD or now - line.ended > CROWD_SECONDS:
                return
            line.full = full = threading.Lock()
            full.acquire()
        until = now + LINGER_SECONDS_IN_ALL
        while not full.acquire(timeout=LINGER_SECONDS):
            with self._lock:
                before, come = come, len(line.waiting)
                if come == before or time.monotonic() > until:
                    line.full = None
                    return

    def _hand_over(
        self,
        key: Hashable,
        line: _Line[Item, Result],
        calls: list[_Call[Item, Result]],
        *,
        hopeless: bool,
    ) -> None:
        """Let the next one lead; where it is hopeless nobody goes on, and all who wait hear why."""
        with self._lock:
            line.crowd = min(len(calls) + len(line.waiting), self._at_most)
            line.ended = time.monotonic()
            if hopeless:
                calls += line.waiting
                line.waiting.clear()
            if line.waiting:
                line.waiting[0].leads = True
                line.waiting[0].wake.release()
                return
            line.busy = False
            if line.crowd < CROWD or len(self._lines) > self._at_most:
                del self._lines[key]


def _wake(calls: Sequence[_Call[Item, Result]], failure: BaseException | None) -> None:
    """Let the callers behind the leader go on, with what went wrong for all of them."""
    for call in calls[1:]:
        call.error = failure
        call.wake.release()
