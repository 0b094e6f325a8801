"""Read and write `mailPreferences` of accounts."""

from collections.abc import Iterable
from datetime import datetime
from typing import cast

from bson import ObjectId
from pymongo.collection import Collection

from eventapp.accounts.types import StoredUser
from eventapp.core.database import Db, Query


def _users(db: Db) -> Collection[StoredUser]:
    return cast(Collection[StoredUser], db.users)


def add_organizer(db: Db, user_id: ObjectId, organizer_id: ObjectId, now: datetime) -> None:
    """Record that a user wants no mails of announcements of an organizer."""
    added = {"mailPreferences.unsubscribedOrganizers": organizer_id}
    update = {"$addToSet": added, "$set": {"updatedAt": now}}
    _users(db).update_one({"_id": user_id}, update)


def refuse_announcements(db: Db, user_id: ObjectId, now: datetime) -> None:
    """Record that a user wants no mails of announcements."""
    fields = {"mailPreferences.announcements": False, "updatedAt": now}
    _users(db).update_one({"_id": user_id}, {"$set": fields})


def find_unsubscribed(
    db: Db, user_ids: Iterable[ObjectId], organizer_id: ObjectId | None
) -> set[ObjectId]:
    """Return those of these users who want no mails of announcements of an organizer.

    Args:
        organizer_id: None for announcements of an event without an organizer.
    """
    unwanted: list[Query] = [{"mailPreferences.announcements": False}]
    if organizer_id is not None:
        unwanted.append({"mailPreferences.unsubscribedOrganizers": organizer_id})
    where = {"_id": {"$in": list(user_ids)}, "$or": unwanted}
    return {user["_id"] for user in _users(db).find(where, {"_id": 1})}
