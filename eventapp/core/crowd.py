"""Calls that arrive at the same time, taken together: many callers, one trip to the database."""

import sys
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

from eventapp.core.mongo import is_unavailable

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


class Crowd(Generic[Item, Result]):
    """Runs `work(key, items)` with all items that wait for the same key, in order of arrival.

    A caller who finds nobody at work starts at once, so that there is no added delay without a
    crowd. Who arrives meanwhile waits, and the first of them leads the next round. `work` gives
    one result an item; an exception among them is raised to its own caller, and one that `work`
    itself raises goes to all of the round; to all who wait, too, where `hopeless` says that their
    round would only fail the same way, and later than they must hear of it.

    `finish(results)` is what the next round need not wait for: the lead is handed over before.
    """

    def __init__(
        self,
        work: Callable[[Hashable, Sequence[Item]], Sequence[Result | BaseException]],
        *,
        finish: Callable[[Sequence[Result | BaseException]], Sequence[Result | BaseException]]
        | None = None,
        at_most: int = 128,
        hopeless: Callable[[BaseException], bool] = is_unavailable,
    ) -> None:
        self._work, self._finish = work, finish
        self._at_most, self._hopeless = at_most, hopeless
        self._lock = threading.Lock()
        self._waiting: defaultdict[Hashable, deque[_Call[Item, Result]]] = defaultdict(deque)
        self._busy: set[Hashable] = set()

    def submit(self, key: Hashable, item: Item) -> Result:
        """The result of `item`; raises what its work raised."""
        call: _Call[Item, Result] = _Call(item)
        with self._lock:
            self._waiting[key].append(call)
            call.leads = key not in self._busy
            self._busy.add(key)
        if not call.leads:
            call.wake.acquire()
        if call.leads:
            self._round(key)
        if call.error is not None:
            raise call.error
        if isinstance(call.result, BaseException):
            raise call.result
        return call.result  # type: ignore[return-value]

    def _round(self, key: Hashable) -> None:
        with self._lock:
            waiting = self._waiting[key]
            calls = [waiting.popleft() for _ in range(min(len(waiting), self._at_most))]
        try:
            results = self._work(key, [call.item for call in calls])
        finally:
            failure = sys.exc_info()[1]
            if failure is not None and self._hopeless(failure):
                calls += self._give_up(key)
            else:
                self._hand_over(key)
            if failure is not None:
                _wake(calls, failure)
        try:
            if self._finish:
                results = self._finish(results)
            for call, result in zip(calls, results, strict=True):
                call.result = result
        finally:
            _wake(calls, sys.exc_info()[1])

    def _give_up(self, key: Hashable) -> list[_Call[Item, Result]]:
        """Nobody goes on: all who wait."""
        with self._lock:
            self._busy.discard(key)
            return list(self._waiting.pop(key))

    def _hand_over(self, key: Hashable) -> None:
        with self._lock:
            waiting = self._waiting[key]
            if waiting:
                waiting[0].leads = True
                waiting[0].wake.release()
            else:
                del self._waiting[key]
                self._busy.discard(key)


def _wake(calls: Sequence[_Call[Item, Result]], failure: BaseException | None) -> None:
    """Let the callers behind the leader go on, with what went wrong for all of them."""
    for call in calls[1:]:
        call.error = failure
        call.wake.release()
