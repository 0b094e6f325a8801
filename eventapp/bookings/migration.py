"""Give the bookings of schema version 1 the id of the schedule entry that they were made for.

Version 1 stores the date and the location of the entry alone. The bookings are read in the order of
their ids, in batches. Each is written only if it has no id yet, so a process may be interrupted at
any time, and several may run at once. The events must have been migrated before.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from eventapp.bookings import rules, store_migration
from eventapp.bookings.types import UnmigratedBooking
from eventapp.core.database import Db, Query
from eventapp.due_work.service import DueRun
from eventapp.events import current_schedules
from eventapp.events.types import ScheduleEntry

BATCH_SIZE = 1000


def migrate_bookings(db: Db, now: datetime) -> bool:
    """Migrate the bookings of version 1, and return whether none is left.

    A booking that cannot be migrated, also because its event could not, is recorded as failed work,
    and delays no other. It shows the date and location that it stores, and is tried again at the
    next start.
    """
    run = DueRun(db, "booking migration", now)
    return run.finish_all(partial(_try_each_booking, db, run))


def _try_each_booking(db: Db, run: DueRun) -> int:
    """Try once to migrate each booking of version 1 that has not failed; return their number.

    A booking that has ended since it was read stays as it is.
    """
    found, last_id = 0, None
    while batch := store_migration.find_unmigrated(db, last_id, BATCH_SIZE, run.waiting):
        found, last_id = found + len(batch), batch[-1]["_id"]
        run.process(
            batch,
            get_key=lambda booking: booking["_id"],
            handle=lambda booking: _migrate(db, [booking]),
            handle_together=lambda bookings: _migrate(db, bookings),
        )
    return found


def _migrate(db: Db, bookings: Sequence[UnmigratedBooking]) -> int:
    event_ids = {booking["eventId"] for booking in bookings}
    schedules = current_schedules.find_schedules(db, sorted(event_ids))
    return store_migration.write_if_unmigrated(
        db,
        [
            (booking, make_entry_fields(booking, schedules.get(booking["eventId"], ())))
            for booking in bookings
        ],
    )


def make_entry_fields(booking: UnmigratedBooking, schedule: Sequence[ScheduleEntry]) -> Query:
    """Return the fields that version 2 adds to a booking.

    An active booking gets a copy of its entry. One that has ended keeps the date and the location
    that it shows.

    Args:
        schedule: the present schedule of the event; empty if that is gone.
    """
    entry = match_entry(booking, schedule)
    if entry is None:
        return {"scheduleId": None}
    if booking["active"]:
        return {**rules.copy_entry(entry), "bookedMoves": 0}
    return {"scheduleId": entry["scheduleId"], "timezone": entry["timezone"]}


def match_entry(
    booking: UnmigratedBooking, schedule: Sequence[ScheduleEntry]
) -> ScheduleEntry | None:
    """Return the entry that a booking was made for.

    It is the entry with its date and location, the lowest id of several; else the only one of its
    date; else the only entry of the event. None if none of these exists.
    """
    by_date = [entry for entry in schedule if entry["date"] == booking["date"]]
    by_both = [entry for entry in by_date if entry["location"] == booking["location"]]
    if by_both:
        return min(by_both, key=lambda entry: entry["scheduleId"])
    for candidates in (by_date, schedule):
        if len(candidates) == 1:
            return candidates[0]
    return None
