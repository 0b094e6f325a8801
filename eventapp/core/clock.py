"""Read the current time, and find time zones by their names.

Rules and use cases take the time as an argument instead.
"""

import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

# Files beside those of the zones. What they say depends on the machine, or is no zone at all.
NO_ZONES = frozenset({"localtime", "posixrules", "Factory"})


def utc_now() -> datetime:
    """Return the time as an aware datetime in UTC, truncated to milliseconds as BSON stores it."""
    milliseconds = time.time_ns() // 1_000_000
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def start_clock(now: datetime) -> Callable[[], datetime]:
    """Return a clock: a function that returns `now` plus the time passed since `start_clock`.

    Work in many steps uses it, so that each step records its own time. A step that recorded the
    start of the whole work would soon be taken for abandoned.
    """
    started = time.monotonic()
    return lambda: _truncate(now + timedelta(seconds=time.monotonic() - started))


def get_local_date(moment: datetime, zone: ZoneInfo) -> date:
    """Return the date of an instant in a time zone."""
    return moment.astimezone(zone).date()


@cache
def load_zone(name: str) -> ZoneInfo:
    """Return the time zone with this IANA name.

    Raises:
        ValueError: there is no such time zone.
    """
    if name not in _list_zone_names():
        raise ValueError(name)
    return ZoneInfo(name)


@cache
def _list_zone_names() -> frozenset[str]:
    """Return the names of all time zones. To list them takes milliseconds."""
    return frozenset(available_timezones()) - NO_ZONES


def _truncate(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
