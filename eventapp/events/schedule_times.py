"""Compute when the entries of a schedule begin, end and are over.

An entry has a date and optional local times, `HH:MM`, in its time zone. Days last 23 to 25 hours
where the offset from UTC changes, and some zones have left out a whole day. Three rules follow from
that:

- A local time that a change of the offset skips does not exist. It is refused.
- A local time that occurs twice is the first of both.
- A day begins at its first instant and ends with its last one. Neither is always at midnight.
"""

from bisect import bisect_left
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from eventapp.events.types import ScheduleEntry

ONE_DAY = timedelta(days=1)
# The shortest difference of two instants that a database stores.
MILLISECOND = timedelta(milliseconds=1)
# Doors whose local time is after the start open on the date before, at most this long before it.
MAX_DOORS_LEAD = timedelta(hours=6)
# An entry without an end that starts at this time or later lasts until the end of the next date.
LATE_START = "20:00"


class NonexistentTime(ValueError):
    """A date or a local time does not exist in its zone.

    Attributes:
        field: the field of the entry that names it, such as `startTime`.
    """

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


class EntryTimes(NamedTuple):
    """The instants of an entry, in UTC.

    Attributes:
        starts_at: when it starts; None if that is unknown.
        ends_at: when it ends; None if its start or its end is unknown.
        over_at: when it is over, so that it can no longer be booked.
    """

    starts_at: datetime | None
    ends_at: datetime | None
    over_at: datetime


def find_instant(day: date, local_time: time, zone: ZoneInfo) -> datetime | None:
    """Return the first instant, in UTC, that has this local date and time; None without any."""
    local = datetime.combine(day, local_time)
    instant = local.replace(tzinfo=zone).astimezone(UTC)
    return instant if _get_local(instant, zone) == local else None


def _get_local(instant: datetime, zone: ZoneInfo) -> datetime:
    """Return the local date and time of an instant, without its zone."""
    return instant.astimezone(zone).replace(tzinfo=None)


def find_day_start(day: date, zone: ZoneInfo) -> datetime:
    """Return the first instant of a local day, in UTC.

    Of a day that the zone has left out, return the instant at which it was skipped.
    """
    first = find_instant(day, time.min, zone)
    if first is not None:
        return first
    midnight = datetime.combine(day, time.min)
    # Midnight lies between the local times before and after a change of the offset. With the offset
    # after the change, it stands for an instant before the change. With the other, for one after.
    low = midnight.replace(tzinfo=zone, fold=1).astimezone(UTC)
    high = midnight.replace(tzinfo=zone, fold=0).astimezone(UTC)
    seconds = range(int((high - low).total_seconds()) + 1)
    return low + timedelta(
        seconds=bisect_left(
            seconds,
            True,
            key=lambda passed: _get_local(low + timedelta(seconds=passed), zone) >= midnight,
        )
    )


def find_day_end(day: date, zone: ZoneInfo) -> datetime:
    """Return the first instant, in UTC, from which on a local day is over."""
    start = find_day_start(day + ONE_DAY, zone)
    midnight = datetime.combine(day + ONE_DAY, time.min, zone)
    last = midnight.replace(fold=1).astimezone(UTC)
    # If clocks are set back shortly after midnight, the day goes on until the second midnight.
    goes_on = last > start and _get_local(last - MILLISECOND, zone).date() <= day
    return last if goes_on else start


def has_day(day: date, zone: ZoneInfo) -> bool:
    """Return whether a local date exists in the zone."""
    return find_day_start(day, zone).astimezone(zone).date() == day


def compute_times(
    day: date, zone: ZoneInfo, *, start: str | None, end: str | None, doors: str | None
) -> EntryTimes:
    """Return the instants of an entry.

    Args:
        start, end, doors: local times, `HH:MM`. An end that is not after the start is on the next
            day, and doors after the start are on the day before. Without a start, the end and the
            doors are only checked.

    Raises:
        NonexistentTime: the date or one of the times does not exist.
    """
    if not has_day(day, zone):
        raise NonexistentTime("date")
    starts_at = _compute_instant("startTime", day, start, zone)
    is_on_day_before = start is not None and doors is not None and doors > start
    _compute_instant("doorsTime", day - ONE_DAY if is_on_day_before else day, doors, zone)
    is_on_next_day = start is not None and end is not None and end <= start
    end_day = day + ONE_DAY if is_on_next_day else day
    ends_at = _compute_instant("endTime", end_day, end, zone)
    if starts_at is None or ends_at is None:
        return EntryTimes(starts_at, None, compute_over_at(day, start, zone))
    return EntryTimes(starts_at, ends_at, ends_at)


def _compute_instant(
    field: str, day: date, local_time: str | None, zone: ZoneInfo
) -> datetime | None:
    """Return the instant of a local time; None without a time. Raise NonexistentTime."""
    if local_time is None:
        return None
    instant = find_instant(day, time.fromisoformat(local_time), zone)
    if instant is None:
        raise NonexistentTime(field)
    return instant


def compute_over_at(day: date, start: str | None, zone: ZoneInfo) -> datetime:
    """Return when an entry without a known end is over: at the end of its date.

    If it starts at LATE_START or later, it is over at the end of the next date.
    """
    is_late = start is not None and start >= LATE_START
    return find_day_end(day + ONE_DAY if is_late else day, zone)


def find_begin(entry: ScheduleEntry) -> datetime:
    """Return when an entry begins, in UTC: at its start, else at the first instant of its date."""
    if "startsAt" in entry:
        return entry["startsAt"]
    return find_day_start(entry["date"].date(), ZoneInfo(entry["timezone"]))


def find_order_fault(
    start: str | None, end: str | None, doors: str | None
) -> tuple[str, str] | None:
    """Return the field that contradicts another one, and the fault; None if all are in order.

    Doors open no later than the start, or on the evening before a start after midnight. Without a
    start, they open no later than the end, which is then on the same date.
    """
    if doors is not None and start is not None and not _is_before(doors, start):
        return "doorsTime", "Must not be after startTime."
    if doors is not None and start is None and end is not None and end < doors:
        return "endTime", "Must not be before doorsTime."
    return None


def _is_before(doors: str, start: str) -> bool:
    """Return whether doors open no later than the start, or at most MAX_DOORS_LEAD before it."""
    opened, started = (datetime.fromisoformat(f"2000-01-02T{each}") for each in (doors, start))
    return opened <= started or opened - ONE_DAY >= started - MAX_DOORS_LEAD
