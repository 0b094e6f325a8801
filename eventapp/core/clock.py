"""Read the current time. Rules and use cases take the time as an argument instead."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def utc_now() -> datetime:
    """Return the time as an aware datetime in UTC, truncated to milliseconds as BSON stores it."""
    return _truncate(datetime.now(UTC))


def start_clock(now: datetime) -> Callable[[], datetime]:
    """Return a clock: a function that returns `now` plus the time passed since `start_clock`.

    Work in many steps uses it, so that each step records its own time. A step that recorded the
    start of the whole work would soon be taken for abandoned.
    """
    started = time.monotonic()
    return lambda: _truncate(now + timedelta(seconds=time.monotonic() - started))


def _truncate(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
