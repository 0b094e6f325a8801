"""The notifications collection. `key` keeps each from being written twice; `unread` is there
until it is read; `_id` orders them. A year later they go by themselves."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument
from pymongo.collection import Collection
from pymongo.errors import AutoReconnect, BulkWriteError

from eventapp.core.database import Db, Document

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


def insert_new(collection: Collection[Document], documents: Sequence[Document]) -> int:
    """Insert those whose key is new; how many. AutoReconnect where others were always in the way.

    On some servers, inserts that a unique index is just deciding between get in each other's way:
    they wrote nothing, and are tried again.
    """
    left, inserted = list(documents), 0
    for _attempt in range(INSERT_ATTEMPTS):
        codes = _insert_some(collection, left)
        inserted += len(left) - len(codes)
        left = [left[place] for place, code in codes.items() if code == WRITE_CONFLICT]
        if not left:
            return inserted
    raise AutoReconnect(f"{collection.name} conflicted with others at every attempt")


def _insert_some(collection: Collection[Document], documents: list[Document]) -> dict[int, int]:
    """The error codes of those that were not inserted, by their place."""
    try:
        if documents:
            collection.insert_many(documents, ordered=False)
    except BulkWriteError as error:
        codes = {fault["index"]: fault["code"] for fault in error.details["writeErrors"]}
        if set(codes.values()) - {DUPLICATE_KEY, WRITE_CONFLICT}:
            raise
        return codes
    return {}


def add(db: Db, notifications: Sequence[Document]) -> int:
    """Insert those that are new; how many."""
    return insert_new(db.notifications, notifications)


def page(
    db: Db, where: Document, *, skip: int, limit: int, before: ObjectId | None
) -> list[Document]:
    """Newest first. `before`: the id of the row to go on after."""
    if before is not None:
        where = {**where, "_id": {"$lt": before}}
    return list(db.notifications.find(where).sort(NEWEST_FIRST).skip(skip).limit(limit))


def count(db: Db, where: Document, *, up_to: int) -> int:
    return db.notifications.count_documents(where, limit=up_to)


def of_user(user_id: ObjectId, *, unread: bool = False) -> Document:
    """The filter of a user's notifications, or of the unread ones."""
    return {"userId": user_id, "unread": True} if unread else {"userId": user_id}


def after(db: Db, user_id: ObjectId, last: ObjectId | None, limit: int) -> list[Document]:
    """The user's notifications after this one, oldest first."""
    where = of_user(user_id)
    if last is not None:
        where["_id"] = {"$gt": last}
    return list(db.notifications.find(where).sort("_id", ASCENDING).limit(limit))


def mark_read(
    db: Db, user_id: ObjectId, notification_id: ObjectId, now: datetime
) -> Document | None:
    """The user's notification, read; None where there is none. The first reading's time stays."""
    own = {"_id": notification_id, "userId": user_id}
    read: Document | None = db.notifications.find_one_and_update(
        {**own, "unread": True}, _reading(now), return_document=ReturnDocument.AFTER
    )
    return read or db.notifications.find_one(own)


def mark_all_read(db: Db, user_id: ObjectId, now: datetime) -> int:
    """How many were not read before."""
    unread = of_user(user_id, unread=True)
    return db.notifications.update_many(unread, _reading(now)).modified_count


def _reading(now: datetime) -> dict[str, Any]:
    return {"$set": {"readAt": now}, "$unset": {"unread": ""}}


def forget_user(db: Db, user_id: ObjectId) -> None:
    db.notifications.delete_many({"userId": user_id})
