"""Queries on chats: a counter for each event in `chats`, and chat entries in `messages`."""

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from typing import TypeVar, cast

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from eventapp.core.database import Db, Query, delete_document, retry_on_write_conflict
from eventapp.messages.types import (
    HiddenChatEntry,
    MessageTime,
    StoredChat,
    StoredChatEntry,
    StoredMessage,
)

INDEXES = {
    "messages": [
        IndexModel([("eventId", ASCENDING), ("seq", ASCENDING)], name="event_seq", unique=True),
        IndexModel(
            [("eventId", ASCENDING), ("shown", ASCENDING), ("seq", DESCENDING)], name="event_shown"
        ),
        IndexModel([("authorId", ASCENDING), ("createdAt", DESCENDING)], name="author"),
    ]
}

NewChatEntry = TypeVar("NewChatEntry", StoredMessage, HiddenChatEntry)


def _chats(db: Db) -> Collection[StoredChat]:
    return cast(Collection[StoredChat], db.chats)


def _entries(db: Db) -> Collection[StoredChatEntry]:
    return cast(Collection[StoredChatEntry], db.messages)


def _messages(db: Db) -> Collection[StoredMessage]:
    """Return the collection for queries that match only messages that are shown."""
    return cast(Collection[StoredMessage], db.messages)


def _next_seq(db: Db, event_id: int) -> int:
    """Return the next number of an event's chat. Each number is returned once."""
    # This is not an upsert: on some servers, two upserts at the same time both return 1.
    while True:
        chat = _chats(db).find_one_and_update(
            {"_id": event_id}, {"$inc": {"seq": 1}}, return_document=ReturnDocument.AFTER
        )
        if chat is not None:
            return int(chat["seq"])
        with suppress(DuplicateKeyError):  # Another process has created the counter.
            retry_on_write_conflict(lambda: _chats(db).insert_one({"_id": event_id, "seq": 0}))


def append(db: Db, entry: NewChatEntry) -> NewChatEntry:
    """Add a chat entry to its chat and return it with its number.

    Args:
        entry: the entry. Its `seq` is ignored. The stored entry has the next number, or a later
            one if a reader fills that number first.
    """
    while True:
        numbered = entry.copy()
        numbered["seq"] = _next_seq(db, entry["eventId"])
        try:
            retry_on_write_conflict(lambda: _entries(db).insert_one(numbered))  # noqa: B023
        except DuplicateKeyError:
            continue
        return numbered


def fill_gap(db: Db, event_id: int, seq: int, now: datetime) -> None:
    """Store a filler with a missing number, unless the missing entry has arrived."""
    filler: HiddenChatEntry = {
        "_id": ObjectId(),
        "eventId": event_id,
        "seq": seq,
        "shown": False,
        "createdAt": now,
    }
    with suppress(DuplicateKeyError):
        retry_on_write_conflict(lambda: _entries(db).insert_one(filler))


def find_last_seqs(db: Db, event_ids: Iterable[int]) -> dict[int, int]:
    """Return the last number that a writer has taken, by eventId, of the chats that exist."""
    return {chat["_id"]: chat["seq"] for chat in _chats(db).find({"_id": {"$in": list(event_ids)}})}


def find_entries(db: Db, event_id: int, *, after: int, limit: int) -> list[StoredChatEntry]:
    """Return the chat entries with numbers above `after`, in ascending order.

    Numbers may be missing between them, see `rules.take_until_gap`.
    """
    where = {"eventId": event_id, "seq": {"$gt": after}}
    return list(_entries(db).find(where).sort("seq", ASCENDING).limit(limit))


def find_newest(
    db: Db, event_id: int, *, before: int | None, skip: int, limit: int
) -> list[StoredMessage]:
    """Return the messages of a chat, newest first.

    Args:
        before: return only messages with lower numbers; None for all.
    """
    where: Query = {"eventId": event_id, "shown": True}
    if before is not None:
        where["seq"] = {"$lt": before}
    return list(_messages(db).find(where).sort("seq", DESCENDING).skip(skip).limit(limit))


def count(db: Db, event_id: int, *, limit: int) -> int:
    """Return the number of messages in a chat, counted up to `limit`."""
    return _messages(db).count_documents({"eventId": event_id, "shown": True}, limit=limit)


def find(db: Db, event_id: int, message_id: ObjectId) -> StoredMessage | None:
    """Return a message of a chat, None if there is none."""
    return _messages(db).find_one({"_id": message_id, "eventId": event_id, "shown": True})


def hide(db: Db, message_id: ObjectId) -> bool:
    """Hide a message and remove its text and author.

    Returns:
        False if it was hidden already.
    """
    removed = {"text": "", "authorId": "", "authorName": ""}
    result = _entries(db).update_one(
        {"_id": message_id, "shown": True}, {"$set": {"shown": False}, "$unset": removed}
    )
    return result.modified_count == 1


def find_times_since(db: Db, author_id: ObjectId, since: datetime, limit: int) -> list[MessageTime]:
    """Return when a user's messages later than `since` were written, newest first."""
    where = {"authorId": author_id, "createdAt": {"$gt": since}}
    times = cast(Collection[MessageTime], db.messages)
    return list(times.find(where, {"createdAt": 1}).sort("createdAt", DESCENDING).limit(limit))


def find_by_author(db: Db, author_id: ObjectId) -> list[StoredMessage]:
    """Return the messages of a user in all chats, oldest first."""
    oldest_first = [("createdAt", ASCENDING), ("_id", ASCENDING)]
    return list(_messages(db).find({"authorId": author_id}).sort(oldest_first))


def remove_author(db: Db, author_id: ObjectId) -> None:
    """Remove a user's id and name from the user's messages. The texts stay."""
    removed = {"authorId": "", "authorName": ""}
    _messages(db).update_many({"authorId": author_id}, {"$unset": removed})


def find_chat_ids(db: Db, after: int, limit: int) -> list[int]:
    """Return the eventIds above `after` that have a chat, in ascending order."""
    found = _chats(db).find({"_id": {"$gt": after}}, {"_id": 1}).sort("_id", ASCENDING)
    return [chat["_id"] for chat in found.limit(limit)]


def delete_chat(db: Db, event_id: int) -> None:
    """Delete all entries and the counter of a chat."""
    _entries(db).delete_many({"eventId": event_id})
    delete_document(_chats(db), {"_id": event_id})
