"""Give the waitlist entries of schema version 2 the schedule entry that they wait for.

Version 2 offers everybody who waits the next schedule entry to come. The waitlist entries are read
in the order of their ids, in batches. Each is written only if it is active and has no schedule
entry yet, so a process may be interrupted at any time, and several may run at once. The events must
have been migrated before, and their queues are counted afterwards.
"""

from collections.abc import Sequence
from datetime import datetime

from bson import ObjectId

from eventapp.core.database import Db
from eventapp.due_work.service import DueRun
from eventapp.events import current_schedules
from eventapp.waitlist import store, store_migration
from eventapp.waitlist.types import UnmigratedEntry

BATCH_SIZE = 1000


def migrate_waitlist(db: Db, now: datetime) -> bool:
    """Migrate the waitlist entries of version 2, and return whether none is left.

    An entry that cannot be migrated is recorded as failed work, delays no other, and is tried again
    at the next start. Until then it counts as one without a schedule entry: it gets no offer, and
    keeps the public off its ticket type.
    """
    run, last_id = DueRun(db, "waitlist migration", now), None
    while batch := store_migration.find_unmigrated(db, last_id, BATCH_SIZE, run.waiting):
        last_id = batch[-1]["_id"]
        run.process(
            batch,
            get_key=lambda entry: entry["_id"],
            handle=lambda entry: _migrate_one(db, entry, now),
            handle_together=lambda entries: _migrate(db, entries, now),
        )
    run.forget_absent()
    return not run.waiting


def _migrate_one(db: Db, entry: UnmigratedEntry, now: datetime) -> int:
    """Migrate an entry, also if its user has joined again since an earlier start has failed on it.

    The later entry for the same schedule entry is ended first, so that the user keeps the better
    position. The worker applies its leave. If an offer is being made from it, it does not end, and
    the write fails.
    """
    for schedule_id in _choose_schedule_ids(db, [entry], now).values():
        user_id, event_id = entry["userId"], entry["eventId"]
        for other in store.find_active_of_user_and_event(db, user_id, event_id, schedule_id):
            is_later = other["_id"] != entry["_id"]
            if is_later and other["ticketTypeId"] == entry["ticketTypeId"]:
                store.end_entry(db, other["_id"], "left", now)
    return _migrate(db, [entry], now)


def _migrate(db: Db, entries: Sequence[UnmigratedEntry], now: datetime) -> int:
    return store_migration.write_if_unmigrated(db, _choose_schedule_ids(db, entries, now))


def _choose_schedule_ids(
    db: Db, entries: Sequence[UnmigratedEntry], now: datetime
) -> dict[ObjectId, int]:
    """Return the scheduleId to store in each entry, by entry id, except where its event is gone."""
    event_ids = {entry["eventId"] for entry in entries}
    schedules = current_schedules.find_schedules(db, sorted(event_ids))
    next_ids = {
        event_id: current_schedules.choose_next_entry(schedule, now)["scheduleId"]
        for event_id, schedule in schedules.items()
    }
    return {
        each["_id"]: next_ids[each["eventId"]] for each in entries if each["eventId"] in next_ids
    }


# Users of schema version 4, who did not know that organizers see who waits.


def find_unshown(db: Db, after: ObjectId | None, limit: int) -> list[UnmigratedEntry]:
    """Return the next active entries whose user is not shown; arguments as in the store."""
    return store_migration.find_unshown(db, after, limit)


def show_user(db: Db, user_id: ObjectId) -> None:
    """Let those who manage the events see who waits with the entries of a user."""
    store_migration.show_user(db, user_id)
