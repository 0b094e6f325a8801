"""Tell other features what the schedules of events are now, and when entries and days begin."""

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta

from eventapp.core.batched_reads import BatchedReads
from eventapp.core.clock import load_zone
from eventapp.core.database import Db
from eventapp.events import schedule_times, store_schedules
from eventapp.events.types import ScheduleEntry

_READS = BatchedReads(store_schedules.find_schedules)


def find_schedules(db: Db, event_ids: Collection[int]) -> dict[int, list[ScheduleEntry]]:
    """Return the schedules of those of these events that exist, by eventId.

    This is one query, and none without events. Calls that arrive at the same time share it.
    """
    return _READS.find_many(db, event_ids)


def choose_next_entry(schedule: Sequence[ScheduleEntry], now: datetime) -> ScheduleEntry:
    """Return the next entry that is not over; if all are over, the one that began first.

    Only the entries near the first date are compared by the time at which they begin, which is
    slow to compute. Time zones differ by less than two days.
    """
    entries = [entry for entry in schedule if entry["overAt"] > now] or schedule
    first_date = min(entry["date"] for entry in entries)
    near = (entry for entry in entries if entry["date"] - first_date <= timedelta(days=2))
    return min(near, key=find_begin)


def find_begin(entry: ScheduleEntry) -> datetime:
    """Return when an entry begins, in UTC: at its start, else at the first instant of its date."""
    return schedule_times.find_begin(entry)


def find_over_at(day: date, starts_at: datetime | None, zone_name: str) -> datetime:
    """Return when an entry without a known end is over, in UTC.

    Args:
        day: its date.
        starts_at: when it starts, in UTC; None if that is unknown.
    """
    zone = load_zone(zone_name)
    start = starts_at.astimezone(zone).strftime("%H:%M") if starts_at else None
    return schedule_times.compute_over_at(day, start, zone)


def find_day_start(day: date, zone_name: str) -> datetime:
    """Return the first instant, in UTC, of a day in the zone with this IANA name."""
    return schedule_times.find_day_start(day, load_zone(zone_name))
