"""Note in the log of an event who wrote and deleted its announcements.

The entry is stored in the announcement by the write that it tells of, and then moved as
`eventapp.events.event_log` moves the entries of events: at once, or by the job `event-log` after a
crash. An announcement that is deleted is first marked with its entry, so that nobody sees or sends
it any more, and removed when the entry is in the log.
"""

from datetime import datetime

from bson import ObjectId

from eventapp.announcements import store
from eventapp.announcements.types import StoredAnnouncement
from eventapp.core.access.actor import Actor
from eventapp.core.database import Db
from eventapp.core.failpoints import failpoint
from eventapp.due_work.service import process_due, process_now
from eventapp.events import event_log
from eventapp.events.log_types import LogEntry

# The kind of the records of entries that could not be moved.
FAILED_MOVES = "announcement log"
# The most announcements whose entries one run of the job moves.
BATCH_SIZE = 200


def note_writing(new: StoredAnnouncement, actor: Actor, now: datetime) -> StoredAnnouncement:
    """Return a new announcement with the entry of who writes it."""
    changes = [
        event_log.make_change("subject", None, new["subject"]),
        event_log.make_change("sendAt", None, new["sendAt"]),
    ]
    entry = event_log.build_entry(actor, "announced", changes, now)
    return {**new, "logEntries": [entry], "logDue": True}


def build_deletion(announcement: StoredAnnouncement, actor: Actor, now: datetime) -> LogEntry:
    """Return the entry of who deletes an announcement."""
    subject = event_log.make_change("subject", announcement["subject"], None)
    return event_log.build_entry(actor, "announcement_deleted", [subject], now)


def move_now(db: Db, announcement_id: ObjectId) -> None:
    """Move the entries of an announcement. If that fails, the worker does it."""
    failpoint("announcement-noted")
    process_now(db, FAILED_MOVES, announcement_id, lambda _key: move_entries(db, announcement_id))


def move_due_entries(db: Db, now: datetime) -> int:
    """Move the entries that processes have left; return of how many announcements."""
    return process_due(
        db,
        FAILED_MOVES,
        now,
        find=lambda limit, without: store.find_log_due(db, limit, without),
        limit=BATCH_SIZE,
        get_key=lambda announcement_id: announcement_id,
        handle=lambda announcement_id: move_entries(db, announcement_id),
    )


def move_entries(db: Db, announcement_id: ObjectId) -> int:
    """Move all entries that an announcement holds now, and return 1."""
    noted = store.find_noted(db, announcement_id)
    if noted:
        event_log.store_entries(db, noted["eventId"], noted["logEntries"])
        failpoint("announcement-logged")
        store.clear_entries(db, noted)
    return 1


def forget_user(db: Db, user_id: ObjectId) -> None:
    """Move the entries of a deleted user, so that `event_log` removes the user from all."""
    for announcement_id in store.find_noted_by(db, user_id):
        move_entries(db, announcement_id)
