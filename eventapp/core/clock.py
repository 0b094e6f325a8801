"""Read the time, in this one place. Rules and services take the time as an argument."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def utc_now() -> datetime:
    """Return the aware UTC time, truncated to milliseconds as BSON stores it."""
    return _truncate(datetime.now(UTC))


def advancing_clock(now: datetime) -> Callable[[], datetime]:
    """Return a function that returns `now` plus the time since this call.

    Long work of many steps needs it: a step that recorded the time at which the whole work began
    would be taken for abandoned.
    """
    started = time.monotonic()
    return lambda: _truncate(now + timedelta(seconds=time.monotonic() - started))


def _truncate(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
