"""The one place that reads the time; everything else is given it."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def utc_now() -> datetime:
    """The aware UTC time, cut to milliseconds as BSON stores it."""
    return _cut(datetime.now(UTC))


def advancing_clock(now: datetime) -> Callable[[], datetime]:
    """A clock that goes on from `now`, for work of many steps.

    What is noted with the time at which long work began would be taken for abandoned.
    """
    began = time.monotonic()
    return lambda: _cut(now + timedelta(seconds=time.monotonic() - began))


def _cut(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
