"""Decide what a booking shows of its schedule entry, and until when its holder may cancel.

A booking follows its event: as long as it is active, it shows the entry's present date, times, zone
and location. It stores a copy of them. Lists are filtered by the copy, which the worker refreshes
after an edit, and an ended booking shows it: it holds what the entry was when the booking ended.

A booking whose entry is unknown (`scheduleId` is None) shows its copy.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar, cast

from eventapp.bookings import rules, store_copies
from eventapp.bookings.types import BookedEntry, EntryCopy, StoredBooking
from eventapp.core.database import Db, Query
from eventapp.events import current_schedules
from eventapp.events.types import ScheduleEntry

Booking = TypeVar("Booking", bound=BookedEntry)

COPY_FIELDS = tuple(EntryCopy.__annotations__)


def find_entry(booking: BookedEntry, schedule: Iterable[ScheduleEntry]) -> ScheduleEntry | None:
    """Return the schedule entry that a booking was made for; None if it is unknown."""
    schedule_id = booking.get("scheduleId")
    if schedule_id is None:
        return None
    return next((entry for entry in schedule if entry["scheduleId"] == schedule_id), None)


def follow_entry(booking: Booking, schedule: Iterable[ScheduleEntry]) -> Booking:
    """Return the booking as it is shown: an active one with the present state of its entry.

    Args:
        schedule: the present schedule of the booked event; empty if that is gone.
    """
    entry = find_entry(booking, schedule) if booking["active"] else None
    return cast(Booking, {**booking, **rules.copy_entry(entry)}) if entry else booking


def follow_events(db: Db, bookings: Sequence[Booking]) -> list[Booking]:
    """Return bookings as they are shown (`follow_entry`), with one query for all their events."""
    active_ids = {booking["eventId"] for booking in bookings if booking["active"]}
    schedules = current_schedules.find_schedules(db, sorted(active_ids))
    return [follow_entry(booking, schedules.get(booking["eventId"], ())) for booking in bookings]


def follow_event(db: Db, booking: Booking) -> Booking:
    """Return a booking as it is shown: see `follow_entry`."""
    return follow_events(db, [booking])[0]


def build_copy_fields(booking: BookedEntry) -> Query:
    """Return the fields that store what a booking shows of its entry; none if that is unknown.

    Args:
        booking: as `follow_entry` returns it.
    """
    if booking.get("scheduleId") is None:
        return {}
    return {name: value for name, value in booking.items() if name in COPY_FIELDS}


def compute_cancellation_deadline(booking: BookedEntry, cutoff: timedelta) -> datetime:
    """Return the last moment at which the holder may cancel.

    It is `cutoff`, in real hours, before the entry begins. If the entry was moved after it was
    booked, it is the begin itself.

    Args:
        booking: as `follow_entry` returns it.
    """
    is_moved = booking.get("copiedMoves", 0) > booking.get("bookedMoves", 0)
    begin = find_begin(booking)
    return begin if is_moved else begin - cutoff


def find_begin(booking: BookedEntry) -> datetime:
    """Return when the entry of a booking begins, in UTC, as the booking shows it.

    The date of a booking whose entry is unknown begins at 00:00 UTC.
    """
    starts_at, zone_name = booking.get("startsAt"), booking.get("timezone")
    if starts_at is not None:
        return starts_at
    if zone_name is None:
        return booking["date"]
    return current_schedules.find_day_start(booking["date"].date(), zone_name)


def find_end(db: Db, booking: BookedEntry) -> datetime:
    """Return when the entry of a booking is over, in UTC.

    It is the present end of the entry, also for a booking that has ended. An entry that is gone or
    unknown ended as the copy says.
    """
    schedules = current_schedules.find_schedules(db, [booking["eventId"]])
    entry = find_entry(booking, schedules.get(booking["eventId"], ()))
    if entry and "overAt" in entry:
        return entry["overAt"]
    return booking.get("endsAt") or current_schedules.find_over_at(
        booking["date"].date(), booking.get("startsAt"), booking.get("timezone") or "UTC"
    )


def find_outdated(
    bookings: Iterable[StoredBooking], schedule: Sequence[ScheduleEntry]
) -> list[StoredBooking]:
    """Return the bookings whose entry was moved since they copied it, as they are now shown."""
    shown = ((booking, follow_entry(booking, schedule)) for booking in bookings)
    return [now for stored, now in shown if _count_moves(now) > _count_moves(stored)]


def _count_moves(booking: BookedEntry) -> int:
    return booking.get("copiedMoves", 0)


def refresh_copies(db: Db, bookings: Iterable[StoredBooking]) -> int:
    """Store what active bookings, as `follow_entry` returns them, show of their entries.

    A booking that has ended since, or that has a newer copy, is left as it is.

    Returns:
        How many bookings were changed.
    """
    copies = ((booking, build_copy_fields(booking)) for booking in bookings)
    return store_copies.replace_copies(db, [pair for pair in copies if pair[1]])
