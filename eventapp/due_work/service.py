"""Process due work, each item on its own, so that an item that fails delays no other.

All work of the background jobs goes through here: stock moves, refunds, notifications, mails and
the rest. What is due is found by a query of the feature that the work belongs to, in order of its
due time, and in batches of a bounded size. An item that raises an error is recorded in `failedWork`
and left alone for a pause, which doubles with each failed attempt. After `rules.MAX_ATTEMPTS` it is
set aside, which means that it is tried only once an hour. The health report lists the items that
fail with their errors. A success removes the record.

If the database is unavailable, the failure cannot be recorded either: the run ends with that error,
and no attempt is counted.
"""

from collections.abc import Callable, Container, Sequence
from datetime import datetime
from typing import TypeVar

import structlog

from eventapp.core.clock import start_clock, utc_now
from eventapp.core.database import Db, is_unavailable, limit_optional_work, note_no_answer
from eventapp.due_work import rules, store
from eventapp.due_work.rules import describe_error
from eventapp.due_work.types import FailedWork, FailedWorkReport, FailedWorkView, ItemKey

__all__ = [
    "DueRun",
    "PartsFailed",
    "count_failures",
    "describe_error",
    "find_failures",
    "forget",
    "get_failed_work",
    "process_due",
    "process_now",
    "retry_all",
]

Item = TypeVar("Item")

# Failed items of a kind that are left alone at a time. More than these are tried at every run.
MAX_WAITING = 5000
# The most passes of `DueRun.finish_all`.
MAX_PASSES = 20
# Failed items that the health report lists.
MAX_LISTED = 50

log = structlog.get_logger("due_work")


class PartsFailed(Exception):
    """Some parts of an item failed, and are recorded themselves. The others are handled."""


class DueRun:
    """One run over the due items of one kind.

    Attributes:
        waiting: the keys of failed items whose pause has not ended, also of those that fail in this
            run. The query for due items leaves them out.
        retried: the keys of failed items whose pause has ended.
    """

    def __init__(self, db: Db, kind: str, now: datetime) -> None:
        """Read which items of this kind have failed.

        Args:
            kind: names the work in the records and the health report.
        """
        failed = store.find_by_kind(db, kind, MAX_WAITING)
        self.waiting = [each["key"] for each in failed if each["nextAttemptAt"] > now]
        self.retried = {each["key"] for each in failed if each["nextAttemptAt"] <= now}
        self._db, self._kind, self._clock = db, kind, start_clock(now)

    def process(
        self,
        items: Sequence[Item],
        *,
        get_key: Callable[[Item], ItemKey],
        handle: Callable[[Item], int],
        handle_together: Callable[[Sequence[Item]], int] | None = None,
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> int:
        """Handle each item; record those that fail.

        Args:
            get_key: returns the key of an item, which is unique in its kind.
            handle: handles one item, and returns what is to be counted.
            handle_together: handles many items faster than one by one. If it fails, or if one of
                the items has failed before, they are handled one by one.
            is_stopped: returns True to leave the remaining items to the next run.

        Returns:
            The sum of what the calls returned.

        Raises:
            PyMongoError: the database is unavailable.
        """
        keys = [get_key(item) for item in items]
        if handle_together and len(items) > 1 and self.retried.isdisjoint(keys):
            result = _attempt(handle_together, items)
            if isinstance(result, int):
                return result
        total = 0
        for key, item in zip(keys, items, strict=True):
            if is_stopped():
                break
            result = _attempt(handle, item)
            if isinstance(result, int):
                total += result
                self._forget(key)
            else:
                self._record_failure(key, result)
        return total

    def finish_all(self, try_each: Callable[[], int]) -> bool:
        """Try all items in passes until none is left, and return whether none has failed.

        An item that another process changes between its read and its write is left to the next
        pass. There are MAX_PASSES at most.

        Args:
            try_each: tries each item once that has not failed; returns how many there were.
        """
        for _pass in range(MAX_PASSES):
            if try_each() == 0:
                self.forget_absent()
                return not self.waiting
        return False

    def forget_absent(self) -> None:
        """Remove the records of items that were to be tried again and were not found.

        Call it after `process`, if all due items were found: these were handled otherwise.
        """
        store.delete(self._db, self._kind, sorted(self.retried, key=str))
        self.retried.clear()

    def forget_resolved(self, find_due: Callable[[Sequence[ItemKey]], Container[ItemKey]]) -> None:
        """Remove the records of items that are not due any more: these were handled otherwise.

        Args:
            find_due: returns those of the given keys whose items are still due.
        """
        keys = [*self.waiting, *self.retried]
        still_due = find_due(keys) if keys else ()
        if resolved := [key for key in keys if key not in still_due]:
            store.delete(self._db, self._kind, resolved)

    def _forget(self, key: ItemKey) -> None:
        if key in self.retried:
            store.delete(self._db, self._kind, [key])
            self.retried.discard(key)

    def _record_failure(self, key: ItemKey, error: Exception) -> None:
        _record_failure(self._db, self._kind, key, error, self._clock())
        self.retried.discard(key)
        self.waiting.append(key)


def _record_failure(db: Db, kind: str, key: ItemKey, error: Exception, now: datetime) -> None:
    attempts = store.count_failure(db, kind, key, describe_error(error), now)
    set_aside_at = now if rules.is_set_aside(attempts) else None
    next_attempt_at = rules.schedule_next_attempt(attempts, now)
    store.set_next_attempt(db, kind, key, next_attempt_at, set_aside_at)
    level = log.error if attempts == rules.MAX_ATTEMPTS else log.warning
    level("item failed", kind=kind, key=str(key), attempts=attempts, exc_info=error)


def _attempt(handle: Callable[[Item], int], item: Item) -> int | Exception:
    """Return what `handle` returns, or the error that it raises."""
    try:
        return handle(item)
    # What a provider, a library or a broken document may raise cannot be listed. This is the only
    # place that catches everything: the caller records the error of the item.
    except Exception as error:  # noqa: BLE001
        return error


def process_due(
    db: Db,
    kind: str,
    now: datetime,
    *,
    find: Callable[[int, Sequence[ItemKey]], Sequence[Item]],
    limit: int,
    get_key: Callable[[Item], ItemKey],
    handle: Callable[[Item], int],
    handle_together: Callable[[Sequence[Item]], int] | None = None,
) -> int:
    """Find the due items of a kind and handle each, as `DueRun.process` does.

    Args:
        find: called with a limit and the keys to leave out; returns due items, the longest due
            first.
        limit: the most items of this call.
    """
    run = DueRun(db, kind, now)
    items = find(limit, run.waiting)
    done = run.process(items, get_key=get_key, handle=handle, handle_together=handle_together)
    if len(items) < limit:
        run.forget_absent()
    return done


def process_now(db: Db, kind: str, key: ItemKey, handle: Callable[[ItemKey], int]) -> bool:
    """Try once to handle an item in a request, and leave it to the worker if that fails.

    The failure is recorded. The worker tries again, and removes the record when it succeeds. If the
    database did not answer in the time that is left of the request, that is no fault of the item,
    and to record it would keep the client waiting for a second time limit.

    Returns:
        Whether the item was handled.

    Raises:
        PyMongoError: the database is unavailable.
    """
    with limit_optional_work():
        result = _attempt(handle, key)
    if isinstance(result, int):
        return True
    if is_unavailable(result):
        note_no_answer()
        log.warning("item left to the worker", kind=kind, key=str(key), exc_info=result)
        return False
    _record_failure(db, kind, key, result, utc_now())
    return False


def get_failed_work(db: Db) -> FailedWorkReport:
    """Return the items that fail, for the health report."""
    views: list[FailedWorkView] = [
        {
            "kind": each["kind"],
            "key": str(each["key"]),
            "attempts": each["attempts"],
            "error": each["error"],
            "firstFailedAt": each["firstFailedAt"],
            "nextAttemptAt": each["nextAttemptAt"],
            "setAsideAt": each["setAsideAt"],
        }
        for each in store.find_last(db, MAX_LISTED)
    ]
    return {
        "retrying": store.count(db, set_aside=False),
        "setAside": store.count(db, set_aside=True),
        "items": views,
    }


def find_failures(
    db: Db, kinds: Sequence[str], keys: Sequence[ItemKey]
) -> dict[ItemKey, FailedWork]:
    """Return the records of items that fail, by key.

    Args:
        kinds: if items of several kinds have the same key, the first of these kinds is returned.
    """
    found = store.find_by_keys(db, kinds, keys) if keys else []
    found.sort(key=lambda each: kinds.index(each["kind"]), reverse=True)
    return {each["key"]: each for each in found}


def forget(db: Db, kind: str, key: ItemKey) -> None:
    """Remove the record of an item that was handled outside of a run of its job."""
    store.delete(db, kind, [key])


def count_failures(db: Db, kind: str, up_to: int) -> int:
    """Return how many items of a kind fail, but at most `up_to`."""
    return store.count_kind(db, kind, up_to)


def count_all(db: Db) -> int:
    """Return how many items fail, also those that are set aside."""
    return store.count(db, set_aside=False) + store.count(db, set_aside=True)


def retry_all(db: Db, now: datetime) -> int:
    """Let every item that fails be tried again at the next run; return how many there are."""
    return store.retry_all(db, now)
