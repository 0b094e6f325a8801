"""Group commit: concurrent calls for one key run as one batch, with one trip to the database.

The first caller for a key is the leader: it runs the work for its own item at once. Calls that
arrive while a batch runs wait, and the first of them leads the next batch. So at most one batch for
a key runs at a time. A leader delays its batch only if the key is under load. A caller that waits
for the result of another gives up its permit (see `core.permits`), so that more can join it.
"""

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

from pymongo.errors import PyMongoError

from eventapp.core.database import is_unavailable
from eventapp.core.permits import give_up_permit

# A key is under load if at least MIN_LOADED_CALLERS were present when its last batch ended, within
# the last LOADED_SECONDS. The callers of the batch and those that waited behind it are present.
MIN_LOADED_CALLERS, LOADED_SECONDS = 3, 0.05
# Under load, a leader waits until as many callers have arrived as were present when the last batch
# ended. It waits up to ARRIVAL_GAP_SECONDS for each further arrival, and MAX_ARRIVAL_WAIT_SECONDS
# in all. Fewer, fuller batches take half the time of many small ones. If the leader did not wait,
# the callers would split into two halves that take turns. The values come from the gaps between
# calls that were measured on a busy machine.
ARRIVAL_GAP_SECONDS, MAX_ARRIVAL_WAIT_SECONDS = 0.005, 0.03
# When a batch ends and no call waits, the queue is kept to know that its key is under load, but not
# if there are more queues than this.
MAX_QUEUES = 128

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Call(Generic[Item, Result]):
    """One caller's item and its outcome.

    Attributes:
        wake_up: a lock that the caller blocks on until it leads or its outcome is set.
        is_leader: whether this caller runs the next batch.
        outcome: what the work returned for the item; an exception is raised to the caller.
        batch_error: an exception that ended the whole batch; None if the work returned.
    """

    __slots__ = ("batch_error", "is_leader", "item", "outcome", "wake_up")

    def __init__(self, item: Item) -> None:
        self.item = item
        self.wake_up = threading.Lock()
        self.wake_up.acquire()
        self.is_leader = False
        self.outcome: Result | BaseException | None = None
        self.batch_error: BaseException | None = None


class _KeyQueue(Generic[Item, Result]):
    """The calls for one key that wait. The batcher's lock guards every field.

    Attributes:
        waiting: the calls that no batch has taken yet, in order of arrival.
        has_leader: whether a caller runs a batch, or has been chosen to run the next one.
        expected: how many callers were present when the last batch ended.
        last_ended: when the last batch ended, in monotonic seconds.
        all_arrived: released once `expected` callers wait; None unless a leader waits for that.
    """

    __slots__ = ("all_arrived", "expected", "has_leader", "last_ended", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[_Call[Item, Result]] = deque()
        self.has_leader = False
        self.expected, self.last_ended = 0, 0.0
        self.all_arrived: threading.Lock | None = None

    def add(self, call: _Call[Item, Result]) -> None:
        """Append the call, and make it the leader if there is none."""
        self.waiting.append(call)
        call.is_leader, self.has_leader = not self.has_leader, True
        if self.all_arrived and len(self.waiting) >= self.expected:
            self.all_arrived.release()
            self.all_arrived = None


class Batcher(Generic[Item, Result]):
    """Runs `work(key, items)` with all the items that wait for the same key, in arrival order.

    `work` returns one result for each item. An exception among the results is raised to the caller
    of that item. An exception that `work` raises goes to every caller of the batch.
    """

    def __init__(
        self,
        work: Callable[[Hashable, Sequence[Item]], Sequence[Result | BaseException]],
        *,
        max_batch_size: int = 128,
        fails_all_waiting: Callable[[BaseException], bool] = is_unavailable,
    ) -> None:
        """Create a batcher without any calls.

        Args:
            work: called by one thread per key at a time.
            max_batch_size: the most items that one batch takes.
            fails_all_waiting: returns whether an exception that `work` raised also goes to the
                callers that still wait. By default it does if the database is unavailable: their
                own batch would fail in the same way, but only after their deadline.
        """
        self._work, self._max_batch_size = work, max_batch_size
        self._fails_all_waiting = fails_all_waiting
        self._lock = threading.Lock()
        self._queues: dict[Hashable, _KeyQueue[Item, Result]] = {}

    def submit(self, key: Hashable, item: Item) -> Result:
        """Run `item` in a batch and return its result.

        Raises:
            BaseException: the exception that `work` returned for the item, or raised for the batch.
        """
        call: _Call[Item, Result] = _Call(item)
        with self._lock:
            queue = self._queues.get(key)
            if queue is None:
                queue = self._queues[key] = _KeyQueue()
            queue.add(call)
        if not call.is_leader:
            with give_up_permit():
                call.wake_up.acquire()
        if call.is_leader:
            self._run_batch(key, queue)
        if call.batch_error is not None:
            raise call.batch_error
        if isinstance(call.outcome, BaseException):
            raise call.outcome
        return call.outcome  # type: ignore[return-value]

    def _run_batch(self, key: Hashable, queue: _KeyQueue[Item, Result]) -> None:
        self._wait_for_arrivals(queue)
        with self._lock:
            waiting = queue.waiting
            batch = [waiting.popleft() for _ in range(min(len(waiting), self._max_batch_size))]
        is_done = False
        try:
            outcomes = self._work(key, [call.item for call in batch])
            for call, outcome in zip(batch, outcomes, strict=True):
                call.outcome = outcome
            is_done = True
        finally:
            # Without a failure, exc_info would be an exception that the leader handles outside.
            failure = None if is_done else sys.exc_info()[1]
            fail_waiting = failure is not None and self._fails_all_waiting(failure)
            self._hand_over(key, queue, batch, fail_waiting=fail_waiting)
            _wake_followers(batch, failure)

    def _wait_for_arrivals(self, queue: _KeyQueue[Item, Result]) -> None:
        """Under load, wait until `expected` callers wait, but at most MAX_ARRIVAL_WAIT_SECONDS."""
        now = time.monotonic()
        with self._lock:
            arrived = len(queue.waiting)
            is_loaded = (
                queue.expected >= MIN_LOADED_CALLERS and now - queue.last_ended <= LOADED_SECONDS
            )
            if arrived >= queue.expected or not is_loaded:
                return
            queue.all_arrived = all_arrived = threading.Lock()
            all_arrived.acquire()
        deadline = now + MAX_ARRIVAL_WAIT_SECONDS
        while not all_arrived.acquire(timeout=ARRIVAL_GAP_SECONDS):
            with self._lock:
                before, arrived = arrived, len(queue.waiting)
                if arrived == before or time.monotonic() > deadline:
                    queue.all_arrived = None
                    return

    def _hand_over(
        self,
        key: Hashable,
        queue: _KeyQueue[Item, Result],
        batch: list[_Call[Item, Result]],
        *,
        fail_waiting: bool,
    ) -> None:
        """End a batch: make the first waiting call the next leader, or drop an unneeded queue.

        Args:
            fail_waiting: first move the waiting calls into `batch`, so that they receive its
                failure, too.
        """
        with self._lock:
            queue.expected = min(len(batch) + len(queue.waiting), self._max_batch_size)
            queue.last_ended = time.monotonic()
            if fail_waiting:
                batch += queue.waiting
                queue.waiting.clear()
            if queue.waiting:
                queue.waiting[0].is_leader = True
                queue.waiting[0].wake_up.release()
                return
            queue.has_leader = False
            if queue.expected < MIN_LOADED_CALLERS or len(self._queues) > MAX_QUEUES:
                del self._queues[key]


def _wake_followers(batch: Sequence[_Call[Item, Result]], failure: BaseException | None) -> None:
    """Wake every caller of the batch except its leader, and pass on the failure if there is one."""
    for call in batch[1:]:
        call.batch_error = failure
        call.wake_up.release()


def run_each(
    work: Callable[[Item], Result], items: Sequence[Item]
) -> Sequence[Result | PyMongoError]:
    """Return what `work` returns for each item of a batch that must run one by one.

    An error of the database is returned for its item and all later ones, which are not tried: they
    would wait for the database, too.
    """
    outcomes: list[Result | PyMongoError] = []
    failure: PyMongoError | None = None
    for item in items:
        if failure is None:
            try:
                outcomes.append(work(item))
            except PyMongoError as error:
                failure = error
        if failure:
            outcomes.append(failure)
    return outcomes
