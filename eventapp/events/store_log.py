"""Move the entries of events' logs into the collection `eventLog`, and read them there."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import cast

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.collection import Collection

from eventapp.core.database import Db, exclude_ids, insert_unordered
from eventapp.events.log_types import LogEntry, LogRow, PendingEntries

INDEXES = {
    "events": [
        IndexModel(
            [("logDue", ASCENDING)], name="log_due", partialFilterExpression={"logDue": True}
        )
    ],
    "eventLog": [
        IndexModel([("eventId", ASCENDING), ("at", DESCENDING), ("_id", DESCENDING)], name="event"),
        IndexModel([("userId", ASCENDING)], name="user"),
        IndexModel(
            [("untold", ASCENDING)], name="untold", partialFilterExpression={"untold": True}
        ),
    ],
}
NEWEST_FIRST = [("at", DESCENDING), ("_id", DESCENDING)]


def _rows(db: Db) -> Collection[LogRow]:
    return cast(Collection[LogRow], db.eventLog)


# Entries in events.


def find_pending(db: Db, event_id: int) -> PendingEntries | None:
    """Return the entries of an event that are to be moved; None if there is no such event."""
    found = db.events.find_one({"eventId": event_id}, {"_id": 0, "eventId": 1, "logEntries": 1})
    return cast(PendingEntries | None, found)


def has_pending(db: Db, event_id: int, count: int) -> bool:
    """Return whether an event holds at least this many entries."""
    full = {"eventId": event_id, f"logEntries.{count - 1}": {"$exists": True}}
    return db.events.find_one(full, {"_id": 0, "eventId": 1}) is not None


def find_due(db: Db, limit: int, without: Sequence[object] = ()) -> list[int]:
    """Return the eventIds of events with entries to move, without these."""
    where = {"logDue": True, **exclude_ids(without, "eventId")}
    found = db.events.find(where, {"_id": 0, "eventId": 1}).limit(limit)
    return [event["eventId"] for event in found]


def find_pending_of_user(db: Db, user_id: ObjectId) -> list[int]:
    """Return the eventIds of events that hold entries of a user."""
    where = {"logDue": True, "logEntries.userId": user_id}
    return [event["eventId"] for event in db.events.find(where, {"_id": 0, "eventId": 1})]


def insert(db: Db, event_id: int, entries: Iterable[LogEntry]) -> None:
    """Add entries to the collection, except those that it has. They are marked for webhooks.

    Raises:
        AutoReconnect: it is unknown whether all are stored.
    """
    added = {"eventId": event_id, "untold": True}
    insert_unordered(_rows(db), [cast(LogRow, {**each, **added}) for each in entries])


def remove_pending(db: Db, event_id: int, entry_ids: Sequence[ObjectId]) -> bool:
    """Remove moved entries from their event; return False if the event does not exist.

    The revision stays: no answer shows this, and no guarded write relies on it.
    """
    where, moved = {"eventId": event_id}, {"_id": {"$in": list(entry_ids)}}
    if db.events.update_one(where, {"$pull": {"logEntries": moved}}).matched_count == 0:
        return False
    clear_due(db, event_id)
    return True


def clear_due(db: Db, event_id: int) -> None:
    """Record that an event has no entry to move, unless it got another one."""
    where = {"eventId": event_id, "$or": [{"logEntries": []}, {"logEntries": {"$exists": False}}]}
    db.events.update_one(where, {"$unset": {"logEntries": "", "logDue": ""}})


# The collection.


def count(db: Db, event_id: int, limit: int) -> int:
    """Return how many entries of an event the collection has, but at most `limit`."""
    return db.eventLog.count_documents({"eventId": event_id}, limit=limit)


def find_page(
    db: Db, event_id: int, after: tuple[datetime, ObjectId] | None, skip: int, limit: int
) -> list[LogRow]:
    """Return entries of an event, the newest first.

    Args:
        after: the `at` and `_id` of the entry before; None to begin with the newest.
    """
    where: dict[str, object] = {"eventId": event_id}
    if after:
        at, entry_id = after
        where["at"] = {"$lte": at}
        where["$or"] = [{"at": {"$lt": at}}, {"_id": {"$lt": entry_id}}]
    return list(_rows(db).find(where).sort(NEWEST_FIRST).skip(skip).limit(limit))


def find_untold(db: Db, limit: int, without: Sequence[object] = ()) -> list[LogRow]:
    """Return the entries that are marked for webhooks, the oldest first, without these."""
    where = {"untold": True, **exclude_ids(without)}
    return list(_rows(db).find(where).sort("_id", ASCENDING).limit(limit))


def mark_told(db: Db, entry_ids: Sequence[ObjectId]) -> None:
    """Remove the mark for webhooks from these entries."""
    db.eventLog.update_many({"_id": {"$in": list(entry_ids)}}, {"$unset": {"untold": ""}})


def find_of_user(db: Db, user_id: ObjectId) -> list[LogRow]:
    """Return the entries of a user, the newest first."""
    return list(_rows(db).find({"userId": user_id}).sort(NEWEST_FIRST))


def remove_person(db: Db, user_id: ObjectId) -> None:
    """Remove a user from all entries of the collection. What was changed stays."""
    update = {"$set": {"userId": None}, "$unset": {"tokenName": ""}}
    db.eventLog.update_many({"userId": user_id}, update)


def delete_of_event(db: Db, event_id: int) -> None:
    """Delete the entries of an event that was deleted."""
    db.eventLog.delete_many({"eventId": event_id})
