"""Give the events of schema version 1 what version 2 stores in their schedules.

The events are read in the order of their ids, in batches. Each is written only if it has not
changed since, so that no edit and no sale is lost, and a process may be interrupted at any time.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from zoneinfo import ZoneInfo

from eventapp.core.database import Db
from eventapp.due_work.service import DueRun
from eventapp.events import store_migration
from eventapp.events.schedules import upgrade_schedule
from eventapp.events.types import UnmigratedEvent

# A batch must be written within the time limit of one operation, also by a busy database.
BATCH_SIZE = 200


def migrate_events(db: Db, default_zone: ZoneInfo, now: datetime) -> bool:
    """Migrate the events of version 1, and return whether none is left.

    An event that cannot be migrated is recorded as failed work, and delays no other. It cannot be
    sold, and is tried again at the next start.

    Args:
        default_zone: becomes the zone of their schedule entries.
    """
    run = DueRun(db, "event migration", now)
    return run.finish_all(partial(_try_each_event, db, default_zone, run))


def _try_each_event(db: Db, default_zone: ZoneInfo, run: DueRun) -> int:
    """Try once to migrate each event of version 1 that has not failed; return how many there were.

    An event that another process has written since it was read stays as it is.
    """

    def migrate(events: Sequence[UnmigratedEvent]) -> int:
        changes = [(event, _make_fields(event, default_zone)) for event in events]
        return store_migration.write_if_unchanged(db, changes)

    found, last_id = 0, 0
    while batch := store_migration.find_unmigrated(db, last_id, BATCH_SIZE, run.waiting):
        found, last_id = found + len(batch), batch[-1]["eventId"]
        run.process(
            batch,
            get_key=lambda event: event["eventId"],
            handle=lambda event: migrate([event]),
            handle_together=migrate,
        )
    return found


def _make_fields(event: UnmigratedEvent, default_zone: ZoneInfo) -> store_migration.ScheduleFields:
    schedule = upgrade_schedule(event["schedule"], event.get("nextScheduleId", 1), default_zone)
    return {
        "schedule": schedule.entries,
        "nextScheduleId": schedule.next_id,
        "overAt": max(entry["overAt"] for entry in schedule.entries),
    }
