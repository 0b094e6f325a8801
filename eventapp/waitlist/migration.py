"""Give the waitlist entries of schema version 2 the schedule entry that they wait for.

Version 2 offers everybody who waits the next schedule entry to come. The waitlist entries are read
in the order of their ids, in batches. Each is written only if it is active and has no schedule
entry yet, so a process may be interrupted at any time, and several may run at once. The events must
have been migrated before, and their queues are counted afterwards.
"""

from collections.abc import Sequence
from datetime import datetime

from eventapp.core.database import Db
from eventapp.due_work.service import DueRun
from eventapp.events import current_schedules
from eventapp.waitlist import store_migration
from eventapp.waitlist.types import UnmigratedEntry

BATCH_SIZE = 1000


def migrate_waitlist(db: Db, now: datetime) -> bool:
    """Migrate the waitlist entries of version 2, and return whether none is left.

    An entry that cannot be migrated is recorded as failed work, delays no other, and is tried again
    at the next start. Until then it counts as one without a schedule entry.
    """
    run, last_id = DueRun(db, "waitlist migration", now), None
    while batch := store_migration.find_unmigrated(db, last_id, BATCH_SIZE, run.waiting):
        last_id = batch[-1]["_id"]
        run.process(
            batch,
            get_key=lambda entry: entry["_id"],
            handle=lambda entry: _migrate(db, [entry], now),
            handle_together=lambda entries: _migrate(db, entries, now),
        )
    run.forget_absent()
    return not run.waiting


def _migrate(db: Db, entries: Sequence[UnmigratedEntry], now: datetime) -> int:
    event_ids = {entry["eventId"] for entry in entries}
    schedules = current_schedules.find_schedules(db, sorted(event_ids))
    next_ids = {
        event_id: current_schedules.choose_next_entry(schedule, now)["scheduleId"]
        for event_id, schedule in schedules.items()
    }
    return store_migration.write_if_unmigrated(
        db,
        {each["_id"]: next_ids[each["eventId"]] for each in entries if each["eventId"] in next_ids},
    )
