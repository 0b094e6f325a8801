"""Queries on the `notifications` collection.

The unique index `key` keeps a notification from being written twice. Notifications are ordered by
`_id`. A TTL index deletes them after a year.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TypeVar, cast

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument
from pymongo.collection import Collection

from eventapp.core.database import Db, Query, insert_unordered
from eventapp.notifications.types import QueuedMail, StoredNotification

# A document with a unique `key`.
Keyed = TypeVar("Keyed", StoredNotification, QueuedMail)

RETENTION_SECONDS = 365 * 86400
# Keys are ASCII, so each of them that begins with a text sorts below the text with this character.
GREATEST_CHARACTER = "\x7f"
NEWEST_FIRST = [("_id", DESCENDING)]
INDEXES = {
    "notifications": [
        IndexModel([("key", ASCENDING)], name="key", unique=True),
        IndexModel([("userId", ASCENDING), *NEWEST_FIRST], name="user_newest"),
        IndexModel(
            [("userId", ASCENDING), ("unread", ASCENDING), *NEWEST_FIRST],
            name="user_unread",
            partialFilterExpression={"unread": True},
        ),
        IndexModel([("createdAt", ASCENDING)], name="old", expireAfterSeconds=RETENTION_SECONDS),
    ]
}


def _notifications(db: Db) -> Collection[StoredNotification]:
    return cast(Collection[StoredNotification], db.notifications)


def insert_missing(collection: Collection[Keyed], documents: Sequence[Keyed]) -> int:
    """Insert the documents whose `key` is not stored yet, and return how many were inserted.

    Raises:
        AutoReconnect: some inserts failed with a write conflict at every attempt.
    """
    return sum(insert_unordered(collection, documents))


def insert_notifications(db: Db, notifications: Sequence[StoredNotification]) -> int:
    """Insert the notifications whose key is not stored yet, and return how many were inserted."""
    return insert_missing(_notifications(db), notifications)


def build_key_filter(prefix: str) -> Query:
    """Return the filter for keys that begin with a text, which an index over `key` serves."""
    return {"key": {"$gte": prefix, "$lt": prefix + GREATEST_CHARACTER}}


def count_keys(db: Db, prefix: str) -> int:
    """Return how many notifications have a key that begins with this text."""
    return _notifications(db).count_documents(build_key_filter(prefix))


def build_user_filter(user_id: ObjectId, *, unread: bool = False) -> Query:
    """Return the filter for all notifications of a user, or only for the unread ones."""
    return {"userId": user_id, "unread": True} if unread else {"userId": user_id}


def find_page(
    db: Db, where: Query, *, skip: int, limit: int, before: ObjectId | None
) -> list[StoredNotification]:
    """Return the matching notifications, newest first.

    Args:
        before: return only notifications with a lower id.
    """
    if before is not None:
        where = {**where, "_id": {"$lt": before}}
    return list(_notifications(db).find(where).sort(NEWEST_FIRST).skip(skip).limit(limit))


def count(db: Db, where: Query, *, up_to: int) -> int:
    """Return how many notifications match, counted up to `up_to`."""
    return _notifications(db).count_documents(where, limit=up_to)


def find_all(db: Db, user_id: ObjectId) -> list[StoredNotification]:
    """Return all notifications of a user, oldest first."""
    return list(_notifications(db).find(build_user_filter(user_id)).sort("_id", ASCENDING))


def find_since(db: Db, user_ids: Iterable[ObjectId], moment: datetime) -> list[StoredNotification]:
    """Return the users' notifications whose ids were made at this time or later, oldest first."""
    ids = {"$gte": ObjectId.from_datetime(moment)}
    where = {"userId": {"$in": list(user_ids)}, "_id": ids}
    return list(_notifications(db).find(where).sort("_id", ASCENDING))


def mark_read(
    db: Db, user_id: ObjectId, notification_id: ObjectId, now: datetime
) -> StoredNotification | None:
    """Mark a notification as read. If it is read already, its `readAt` stays.

    Returns:
        The notification, None if the user has none with this id.
    """
    where = {"_id": notification_id, "userId": user_id}
    updated: StoredNotification | None = _notifications(db).find_one_and_update(
        {**where, "unread": True}, _build_read_update(now), return_document=ReturnDocument.AFTER
    )
    return updated or _notifications(db).find_one(where)


def mark_all_read(db: Db, user_id: ObjectId, now: datetime) -> int:
    """Mark all unread notifications of a user as read, and return how many were unread."""
    unread = build_user_filter(user_id, unread=True)
    return _notifications(db).update_many(unread, _build_read_update(now)).modified_count


def _build_read_update(now: datetime) -> Query:
    return {"$set": {"readAt": now}, "$unset": {"unread": ""}}


def forget_user(db: Db, user_id: ObjectId) -> None:
    """Delete all notifications of a user."""
    _notifications(db).delete_many({"userId": user_id})
