"""Find the events of an organizer, and replace the organizer of events."""

from collections.abc import Iterable
from datetime import datetime
from typing import cast

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING

from eventapp.core.database import Db, Query
from eventapp.events.store import SET_CHANGED_AT
from eventapp.events.types import Event, EventKey


def has_open_event(db: Db, organizer_id: ObjectId, now: datetime) -> bool:
    """Return whether this user has a draft, or a published event that is not over."""
    where: Query = {
        "organizerId": organizer_id,
        "$or": [{"status": "draft"}, {"status": "published", "overAt": {"$gt": now}}],
    }
    return db.events.find_one(where, {"eventId": 1}) is not None


def find_ids_of_organizer(db: Db, organizer_id: ObjectId, limit: int) -> list[int]:
    """Return eventIds of this user, in order."""
    found = db.events.find({"organizerId": organizer_id}, {"_id": 0, "eventId": 1})
    keys = cast(Iterable[EventKey], found.sort("eventId", ASCENDING).limit(limit))
    return [event["eventId"] for event in keys]


def find_organizer_ids(db: Db, event_ids: Iterable[int]) -> dict[int, ObjectId | None]:
    """Return the organizer of each of these events that exist; None for sample events."""
    where = {"eventId": {"$in": list(event_ids)}}
    found = db.events.find(where, {"_id": 0, "eventId": 1, "organizerId": 1})
    return {event["eventId"]: event["organizerId"] for event in found}


def find_public_name(db: Db, organizer_id: ObjectId) -> str | None:
    """Return the name of the organizer on the newest event that everyone may see in lists.

    Upcoming events come first. None if there is no such event.
    """
    where = {"organizerId": organizer_id, "public": True}
    newest_first = [("listed", DESCENDING), ("eventId", DESCENDING)]
    event = db.events.find_one(where, {"organizer": 1}, sort=newest_first)
    return cast(Event, event)["organizer"] if event else None


def count_listed(db: Db, organizer_id: ObjectId, *, limit: int) -> int:
    """Count the upcoming events that everyone may see in lists, no further than `limit`."""
    where = {"organizerId": organizer_id, "public": True, "listed": True}
    return db.events.count_documents(where, limit=limit)


def set_organizer(
    db: Db, event_ids: list[int], *, old_id: ObjectId, new_id: ObjectId, now: datetime
) -> None:
    """Replace the organizer `old_id` of these events. Events of other users stay."""
    db.events.update_many(
        {"organizerId": old_id, "eventId": {"$in": event_ids}},
        {
            "$set": {"organizerId": new_id, "updatedAt": now},
            "$inc": {"rev": 1, "__v": 1, "terms": 1},
            **SET_CHANGED_AT,
        },
    )
