"""Migrate the events of older schema versions.

Version 2 stores more in the schedules. Version 6 folds texts in another way, and the fields that
depend on it are computed anew. The events are read in the order of their ids, in batches. Each is
written only if it has not changed since, so that no edit and no sale is lost, and a process may be
interrupted at any time.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from zoneinfo import ZoneInfo

from eventapp.core.database import Db
from eventapp.due_work.service import DueRun
from eventapp.events import rules, store_migration
from eventapp.events.schedules import upgrade_schedule
from eventapp.events.types import RefoldedEvent, UnmigratedEvent

# A batch must be written within the time limit of one operation, also by a busy database.
BATCH_SIZE = 200


def migrate_events(db: Db, default_zone: ZoneInfo, now: datetime) -> bool:
    """Migrate the events of older versions, and return whether none is left.

    An event that cannot be migrated is recorded as failed work, and delays no other. It cannot be
    sold, and is tried again at the next start.

    Args:
        default_zone: becomes the zone of the schedule entries of version 1.
    """
    run = DueRun(db, "event migration", now)
    return run.finish_all(partial(_try_each_event, db, default_zone, run))


def _try_each_event(db: Db, default_zone: ZoneInfo, run: DueRun) -> int:
    """Try once to migrate each event of an older version; return how many there were.

    Events that have failed are left out. An event that another process has written since it was
    read stays as it is.
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


def refold_events(db: Db, now: datetime) -> bool:
    """Compute the folded texts of all events anew, and return whether none is left.

    An event that fails is recorded as failed work, as in `migrate_events`. Until it is refolded,
    searches and filters may miss it.
    """
    run = DueRun(db, "event refolding", now)
    return run.finish_all(partial(_try_to_refold_each, db, run))


def _try_to_refold_each(db: Db, run: DueRun) -> int:
    """Try once to write each event whose folded texts differ; return how many there were."""

    def refold(events: Sequence[RefoldedEvent]) -> int:
        return store_migration.write_texts_if_unchanged(db, _list_refolded(events))

    found, last_id = 0, 0
    while batch := store_migration.find_texts(db, last_id, BATCH_SIZE, run.waiting):
        last_id = batch[-1]["eventId"]
        found += run.process(
            batch,
            get_key=lambda event: event["eventId"],
            handle=lambda event: refold([event]),
            handle_together=refold,
        )
    return found


def _list_refolded(events: Sequence[RefoldedEvent]) -> list[store_migration.RefoldedTexts]:
    """Return the events whose stored folded texts are not those of this version, with the new."""
    pairs = [(event, rules.derive_text_fields(event)) for event in events]
    return [(event, texts) for event, texts in pairs if not texts.items() <= event.items()]
