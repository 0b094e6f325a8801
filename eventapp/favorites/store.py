"""Favorites: one document a caller, `{_id: key, events: [{eventId, at}], count}`."""

from datetime import datetime

from pymongo import ASCENDING, IndexModel, ReturnDocument
from pymongo.errors import DuplicateKeyError

from eventapp.core.database import Db, Document

INDEXES = {"favorites": [IndexModel([("events.eventId", ASCENDING)], name="by_event")]}


def add(db: Db, key: str, event_id: int, *, limit: int, now: datetime) -> bool:
    """Add in one guarded write; False, with nothing written, when it is there or at the limit."""
    guard = {"_id": key, "events.eventId": {"$ne": event_id}, "count": {"$not": {"$gte": limit}}}
    entry = {"eventId": event_id, "at": now}
    change = {"$push": {"events": entry}, "$inc": {"count": 1}}
    # The upsert of a caller that exists collides on _id: that is the guard saying no, or, once,
    # two first favorites at the same moment; the second try tells which.
    for _attempt in range(2):
        try:
            db.favorites.find_one_and_update(
                guard, change, upsert=True, return_document=ReturnDocument.AFTER
            )
        except DuplicateKeyError:
            continue
        return True
    return False


def remove(db: Db, key: str, event_id: int) -> bool:
    """Take it out; False when it was not there."""
    result = db.favorites.update_one(
        {"_id": key, "events.eventId": event_id},
        {"$pull": {"events": {"eventId": event_id}}, "$inc": {"count": -1}},
    )
    return result.modified_count == 1


def event_ids(db: Db, key: str) -> list[int]:
    """The caller's favorites, oldest first."""
    found: Document | None = db.favorites.find_one({"_id": key}, {"events.eventId": 1})
    return [entry["eventId"] for entry in found["events"]] if found else []


def owners(db: Db, event_id: int) -> list[str]:
    """The keys of all who have this event as a favorite."""
    return [row["_id"] for row in db.favorites.find({"events.eventId": event_id}, {"_id": 1})]


def forget_event(db: Db, event_id: int) -> None:
    """Take a deleted event out of everyone's favorites."""
    db.favorites.update_many(
        {"events.eventId": event_id},
        {"$pull": {"events": {"eventId": event_id}}, "$inc": {"count": -1}},
    )


def forget_owner(db: Db, key: str) -> None:
    db.favorites.delete_one({"_id": key})
