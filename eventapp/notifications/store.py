"""The `notifications` collection.

The unique index `key` keeps a notification from being written twice. Notifications are ordered by
`_id`. A TTL index removes them after a year.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TypeVar, cast

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument
from pymongo.collection import Collection
from pymongo.errors import AutoReconnect, BulkWriteError

from eventapp.core.database import Db, Query
from eventapp.notifications.types import QueuedMail, StoredNotification

# A document with a unique `key`.
Keyed = TypeVar("Keyed", StoredNotification, QueuedMail)

KEPT_SECONDS = 365 * 86400
DUPLICATE_KEY, WRITE_CONFLICT, INSERT_ATTEMPTS = 11000, 112, 10
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
        IndexModel([("createdAt", ASCENDING)], name="old", expireAfterSeconds=KEPT_SECONDS),
    ]
}


def _notifications(db: Db) -> Collection[StoredNotification]:
    return cast(Collection[StoredNotification], db.notifications)


def insert_missing(collection: Collection[Keyed], documents: Sequence[Keyed]) -> int:
    """Insert the documents whose `key` is not stored yet; return how many were inserted.

    On some servers, concurrent inserts of one key fail with a write conflict: they wrote nothing,
    and are tried again.

    Raises:
        AutoReconnect: some documents conflicted at every attempt.
    """
    pending, inserted = list(documents), 0
    for _attempt in range(INSERT_ATTEMPTS):
        codes = _insert_unordered(collection, pending)
        inserted += len(pending) - len(codes)
        pending = [pending[index] for index, code in codes.items() if code == WRITE_CONFLICT]
        if not pending:
            return inserted
    raise AutoReconnect(f"{collection.name}: inserts conflicted at every attempt")


def _insert_unordered(collection: Collection[Keyed], documents: Sequence[Keyed]) -> dict[int, int]:
    """Insert what can be inserted; return the error codes of the rest by index in `documents`."""
    try:
        if documents:
            collection.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        codes = {fault["index"]: fault["code"] for fault in error.details["writeErrors"]}
        if set(codes.values()) - {DUPLICATE_KEY, WRITE_CONFLICT}:
            raise
        return codes
    return {}


def insert_notifications(db: Db, notifications: Sequence[StoredNotification]) -> int:
    """Insert the notifications whose key is not stored yet; return how many were inserted."""
    return insert_missing(_notifications(db), notifications)


def build_user_filter(user_id: ObjectId, *, unread: bool = False) -> Query:
    """Return the filter for a user's notifications, or for the unread ones only."""
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
    """Return how many notifications match, counting no further than `up_to`."""
    return db.notifications.count_documents(where, limit=up_to)


def find_all(db: Db, user_id: ObjectId) -> list[StoredNotification]:
    """Return all notifications of a user, oldest first."""
    return list(_notifications(db).find(build_user_filter(user_id)).sort("_id", ASCENDING))


def find_since(db: Db, user_ids: Iterable[ObjectId], moment: datetime) -> list[StoredNotification]:
    """Return the users' notifications with an id of this time or later, oldest first."""
    ids = {"$gte": ObjectId.from_datetime(moment)}
    where = {"userId": {"$in": list(user_ids)}, "_id": ids}
    return list(_notifications(db).find(where).sort("_id", ASCENDING))


def mark_read(
    db: Db, user_id: ObjectId, notification_id: ObjectId, now: datetime
) -> StoredNotification | None:
    """Mark a user's notification as read and return it; None if the user has no such one.

    The time of the first reading is kept.
    """
    where = {"_id": notification_id, "userId": user_id}
    updated: StoredNotification | None = _notifications(db).find_one_and_update(
        {**where, "unread": True}, _mark_read_update(now), return_document=ReturnDocument.AFTER
    )
    return updated or _notifications(db).find_one(where)


def mark_all_read(db: Db, user_id: ObjectId, now: datetime) -> int:
    """Mark all unread notifications of a user as read; return how many were unread."""
    unread = build_user_filter(user_id, unread=True)
    return db.notifications.update_many(unread, _mark_read_update(now)).modified_count


def _mark_read_update(now: datetime) -> Query:
    return {"$set": {"readAt": now}, "$unset": {"unread": ""}}


def forget_user(db: Db, user_id: ObjectId) -> None:
    """Delete all notifications of a user."""
    db.notifications.delete_many({"userId": user_id})
