"""Note every change that people make of an event, and move the notes into the event's log.

**Noting.** The write that makes a change pushes an entry to the event's `logEntries` in the same
update. So there is an entry if and only if there is the change, whenever a process dies. An event
holds at most `log_entries.MAX_PENDING` entries: if it is full, because none could be moved, the
write is refused by its guard, and its caller moves the entries first (`make_room`).

**Moving.** Right after the write, `move_now` copies the entries into the collection `eventLog`
under their ids and removes them from the event. If the process dies before, the job `event-log`
does it. It may be interrupted between any two writes and run in many processes at once: an entry is
removed only after it was copied, and the unique `_id` refuses a second copy.

**Erasure.** `forget_user` first moves the entries of the person, and then removes the person from
the collection. A process that has read such an entry before cannot bring the person back: its copy
is refused, because the entry is there already.

**Deletion.** The log is deleted with its event. An event can be deleted only while nobody has
tickets, so nothing is left that the log could explain; and whoever could read it, the organizer,
has no event any more. A process that copies an entry of an event that is gone deletes it again.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from bson import ObjectId

from eventapp.core.access.actor import Actor
from eventapp.core.database import Db
from eventapp.core.failpoints import failpoint
from eventapp.due_work.service import process_due, process_now
from eventapp.events import log_entries, store, store_log
from eventapp.events.log_types import FieldChange, LogAction, LogEntry, LogFields, LogNote, LogRow

# The kind of the records of entries that could not be moved.
FAILED_MOVES = "event log"
# The most events whose entries one run of the job moves.
BATCH_SIZE = 500


# Noting.


def note_edit(
    actor: Actor, before: Mapping[str, Any], patch: Mapping[str, Any], now: datetime
) -> LogNote:
    """Return the entry of an edit, as the write of the edit needs it.

    Args:
        before: the event before the edit, with the fields that the edit sets.
        patch: the fields that the edit sets. Fields that people do not edit may be among them.
    """
    changes = log_entries.find_changes(before, patch)
    action = log_entries.name_edit(before, patch)
    return log_entries.make_note(build_entry(actor, action, changes, now))


def note_creation(actor: Actor, now: datetime, source_id: int | None = None) -> LogFields:
    """Return the fields of a new event that hold its first entry.

    Args:
        source_id: the eventId of the event that it is a duplicate of; None for a new one.
    """
    action: LogAction = "duplicated" if source_id else "created"
    changes = [make_change("duplicateOf", None, source_id)] if source_id else []
    return {"logEntries": [build_entry(actor, action, changes, now)], "logDue": True}


def make_change(field: str, before: object, after: object) -> FieldChange:
    """Return the change of a field, with long texts cut."""
    return log_entries.make_change(field, before, after)


def build_entry(
    actor: Actor, action: LogAction, changes: Sequence[FieldChange], now: datetime
) -> LogEntry:
    """Return the entry of what a person does. Another feature stores it in its own document."""
    entry: LogEntry = {
        "_id": ObjectId(),
        "at": now,
        "userId": actor.user_id,
        "via": "session" if actor.user_id else "anyone",
        "action": action,
        "changes": list(changes[: log_entries.MAX_CHANGES]),
    }
    if actor.token:
        entry["via"], entry["tokenName"] = "apiToken", actor.token.name
    if len(changes) > log_entries.MAX_CHANGES:
        entry["moreChanges"] = len(changes) - log_entries.MAX_CHANGES
    return entry


# Moving.


def make_room(db: Db, event_id: int) -> None:
    """Move the entries of an event that can hold no more, so that a refused write can be repeated.

    Raises:
        PyMongoError: they cannot be moved.
    """
    if store_log.has_pending(db, event_id, log_entries.MAX_PENDING):
        move_entries(db, event_id)


def move_now(db: Db, event_id: int) -> None:
    """Move the entries of an event whose change is written. If that fails, the worker does it."""
    failpoint("log-noted")
    process_now(db, FAILED_MOVES, event_id, lambda _key: move_entries(db, event_id))


def move_due_entries(db: Db, now: datetime) -> int:
    """Move the entries that processes have left; return of how many events. For the worker."""
    return process_due(
        db,
        FAILED_MOVES,
        now,
        find=lambda limit, without: store_log.find_due(db, limit, without),
        limit=BATCH_SIZE,
        get_key=lambda event_id: event_id,
        handle=lambda event_id: move_entries(db, event_id),
    )


def move_entries(db: Db, event_id: int) -> int:
    """Move all entries that an event holds now, and return 1."""
    event = store_log.find_pending(db, event_id)
    entries = event.get("logEntries", []) if event else []
    if entries:
        store_log.insert(db, event_id, entries)
        failpoint("log-copied")
        if not store_log.remove_pending(db, event_id, [each["_id"] for each in entries]):
            store_log.delete_of_event(db, event_id)
    elif event:
        store_log.clear_due(db, event_id)
    return 1


def store_entries(db: Db, event_id: int, entries: Sequence[LogEntry]) -> None:
    """Add entries that another feature has noted to the log of an event, except those that it has.

    Nothing is added to the log of an event that was deleted.
    """
    store_log.insert(db, event_id, entries)
    if not store.find_revisions(db, [event_id]):
        store_log.delete_of_event(db, event_id)


def find_untold(db: Db, limit: int, without: Sequence[object] = ()) -> list[LogRow]:
    """Return the entries of all logs that are not sent to webhooks yet, the oldest first.

    An entry is marked from the move into the log until `mark_told` is called. The entries of an
    event are deleted with the event.

    Args:
        without: ids of entries to leave out.
    """
    return store_log.find_untold(db, limit, without)


def mark_told(db: Db, entry_ids: Sequence[ObjectId]) -> None:
    """Record that the deliveries of these entries to webhooks are stored."""
    store_log.mark_told(db, entry_ids)


def forget_user(db: Db, user_id: ObjectId) -> None:
    """Remove a deleted user from the log of every event. What was changed stays."""
    for event_id in store_log.find_pending_of_user(db, user_id):
        move_entries(db, event_id)
    store_log.remove_person(db, user_id)
