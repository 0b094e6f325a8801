"""Events that something is to be told of: `tell` and `tellAt` are written with the edit itself."""

from datetime import datetime

from pymongo import ASCENDING, IndexModel

from eventapp.core.database import Db, Document

INDEXES = {"events": [IndexModel([("tellAt", ASCENDING)], name="tell", sparse=True)]}
TOLD_FIELDS = {"eventId": 1, "title": 1, "schedule": 1, "tell": 1}
LOW_FIELDS = {
    "eventId": 1,
    "title": 1,
    "schedule": 1,
    "nextDate": 1,
    "available": 1,
    "listed": 1,
    "ticketTypes.capacity": 1,
}


def untold(db: Db, limit: int) -> list[Document]:
    """Events with something to tell, the oldest first."""
    found = db.events.find({"tellAt": {"$exists": True}}, TOLD_FIELDS)
    return list(found.sort("tellAt", ASCENDING).limit(limit))


def told(db: Db, event: Document) -> None:
    """All that was noted when the event was read is told; what came since stays noted."""
    as_read = {"eventId": event["eventId"], "tell": event["tell"]}
    db.events.update_one(as_read, {"$unset": {"tell": "", "tellAt": ""}})


def low(db: Db, since: datetime, few: int) -> list[Document]:
    """Events that changed since then, with 1 to `few` tickets, not warned of yet.

    By no other index than that of changes: there are few of these, and many listed events.
    """
    where = {
        "changedAt": {"$gte": since},
        "available": {"$gte": 1, "$lte": few},
        "lowToldAt": {"$exists": False},
    }
    return list(db.events.find(where, LOW_FIELDS))


def warned(db: Db, event_id: int, now: datetime) -> None:
    db.events.update_one({"eventId": event_id}, {"$set": {"lowToldAt": now}})


def of_organizers(db: Db, after: int, since: datetime, limit: int) -> list[Document]:
    """Events with an organizer whose last date is not before `since`, by eventId."""
    where = {"eventId": {"$gt": after}, "organizerId": {"$ne": None}, "lastDate": {"$gte": since}}
    fields = {"eventId": 1, "title": 1, "organizerId": 1}
    return list(db.events.find(where, fields).sort("eventId", ASCENDING).limit(limit))
