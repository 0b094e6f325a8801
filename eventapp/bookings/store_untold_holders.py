"""The collection `untoldHolders`: who is to be told that organizers see names.

A record has the user's id, and the time at which the next step is due.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import cast

from bson import ObjectId
from pymongo import ASCENDING, UpdateOne

from eventapp.bookings.types import UnshownBooking, UntoldHolder
from eventapp.core.database import Db, Query, delete_document, exclude_ids


def find_unshown(
    db: Db, since: datetime, after: ObjectId | None, limit: int
) -> list[UnshownBooking]:
    """Return active bookings whose holder is not shown, in order of ids.

    Args:
        since: return only bookings for this date or later.
        after: the id after which they begin; None for all.
    """
    where: Query = {
        "active": True,
        "holderIsShown": {"$exists": False},
        "userId": {"$ne": None},
        "date": {"$gte": since},
    }
    if after is not None:
        where["_id"] = {"$gt": after}
    found = db.bookings.find(where, {"userId": 1}).sort("_id", ASCENDING).limit(limit)
    return cast(list[UnshownBooking], list(found))


def record(db: Db, user_ids: Iterable[ObjectId], now: datetime) -> None:
    """Record that these users are to be told, unless that is recorded already."""
    writes = [
        UpdateOne({"_id": each}, {"$setOnInsert": {"dueAt": now}}, upsert=True) for each in user_ids
    ]
    db.untoldHolders.bulk_write(writes, ordered=False)


def find_due(db: Db, now: datetime, limit: int, without: Sequence[object]) -> list[ObjectId]:
    """Return the users whose next step is due, the longest due first.

    Args:
        without: ids to leave out.
    """
    where = {"dueAt": {"$lte": now}, **exclude_ids(without)}
    found = db.untoldHolders.find(where).sort("dueAt", ASCENDING).limit(limit)
    return [each["_id"] for each in cast(Iterable[UntoldHolder], found)]


def postpone(db: Db, user_id: ObjectId, due_at: datetime) -> None:
    """Set when the next step for a user is due, if there is a record of the user."""
    db.untoldHolders.update_one({"_id": user_id}, {"$set": {"dueAt": due_at}})


def remove(db: Db, user_id: ObjectId) -> None:
    """Remove the record of a user."""
    delete_document(db.untoldHolders, {"_id": user_id})


def show_holder(db: Db, user_id: ObjectId) -> None:
    """Let those who manage the events see who has made the bookings of a user."""
    db.bookings.update_many({"userId": user_id}, {"$set": {"holderIsShown": True}})
