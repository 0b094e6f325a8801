"""The chats: a counter an event in `chats`, and their numbered entries in `messages`."""

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from typing import Any

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument
from pymongo.errors import DuplicateKeyError

from eventapp.core.database import Db, Document, retry_on_write_conflict

INDEXES = {
    "messages": [
        IndexModel([("eventId", ASCENDING), ("seq", ASCENDING)], name="event_seq", unique=True),
        IndexModel(
            [("eventId", ASCENDING), ("shown", ASCENDING), ("seq", DESCENDING)], name="event_shown"
        ),
        IndexModel([("authorId", ASCENDING), ("createdAt", DESCENDING)], name="author"),
    ]
}


def _take_seq(db: Db, event_id: int) -> int:
    """The next number of the event's chat, never given twice."""
    # No upsert: two of them at once can both begin at 1 on the engine.
    while True:
        chat = db.chats.find_one_and_update(
            {"_id": event_id}, {"$inc": {"seq": 1}}, return_document=ReturnDocument.AFTER
        )
        if chat is not None:
            return int(chat["seq"])
        with suppress(DuplicateKeyError):  # then another has begun it
            retry_on_write_conflict(lambda: db.chats.insert_one({"_id": event_id, "seq": 0}))


def append(db: Db, event_id: int, entry: Document) -> Document:
    """The entry, stored under the next number; under a later one where readers gave that up."""
    while True:
        numbered = {**entry, "eventId": event_id, "seq": _take_seq(db, event_id)}
        try:
            retry_on_write_conflict(lambda: db.messages.insert_one(numbered))  # noqa: B023
        except DuplicateKeyError:
            continue
        return numbered


def give_up(db: Db, event_id: int, seq: int, now: datetime) -> None:
    """Fill the place of an entry that did not come, unless it has come by now."""
    void = {"_id": ObjectId(), "eventId": event_id, "seq": seq, "shown": False, "createdAt": now}
    with suppress(DuplicateKeyError):
        retry_on_write_conflict(lambda: db.messages.insert_one(void))


def last_seqs(db: Db, event_ids: Iterable[int]) -> dict[int, int]:
    """The last number given in each of these chats that has begun."""
    found = db.chats.find({"_id": {"$in": list(event_ids)}})
    return {chat["_id"]: chat["seq"] for chat in found}


def entries(db: Db, event_id: int, *, after: int, limit: int) -> list[Document]:
    """The entries after a number, oldest first, whether or not some are missing between them."""
    where = {"eventId": event_id, "seq": {"$gt": after}}
    return list(db.messages.find(where).sort("seq", ASCENDING).limit(limit))


def newest(db: Db, event_id: int, *, before: int | None, skip: int, limit: int) -> list[Document]:
    """The messages before a number (None: all), newest first."""
    where: dict[str, Any] = {"eventId": event_id, "shown": True}
    if before is not None:
        where["seq"] = {"$lt": before}
    return list(db.messages.find(where).sort("seq", DESCENDING).skip(skip).limit(limit))


def count(db: Db, event_id: int, *, up_to: int) -> int:
    return db.messages.count_documents({"eventId": event_id, "shown": True}, limit=up_to)


def get(db: Db, event_id: int, message_id: ObjectId) -> Document | None:
    return db.messages.find_one({"_id": message_id, "eventId": event_id, "shown": True})


def blank(db: Db, message_id: ObjectId) -> bool:
    """Take text and author out of a message; False where that is done already."""
    gone = {"text": "", "authorId": "", "authorName": ""}
    done = db.messages.update_one(
        {"_id": message_id, "shown": True}, {"$set": {"shown": False}, "$unset": gone}
    )
    return done.modified_count == 1


def latest_of(db: Db, author_id: ObjectId, since: datetime, limit: int) -> list[Document]:
    """What the person wrote after that time, newest first."""
    where = {"authorId": author_id, "createdAt": {"$gt": since}}
    found = db.messages.find(where, {"createdAt": 1}).sort("createdAt", DESCENDING)
    return list(found.limit(limit))


def all_of(db: Db, author_id: ObjectId) -> list[Document]:
    return list(db.messages.find({"authorId": author_id}).sort("createdAt", ASCENDING))


def forget_user(db: Db, author_id: ObjectId) -> None:
    """Leave the messages, without their author."""
    gone = {"authorId": "", "authorName": ""}
    db.messages.update_many({"authorId": author_id}, {"$unset": gone})


def chats_after(db: Db, event_id: int, limit: int) -> list[int]:
    """The eventIds of the chats that come after this one."""
    found = db.chats.find({"_id": {"$gt": event_id}}, {"_id": 1}).sort("_id", ASCENDING)
    return [chat["_id"] for chat in found.limit(limit)]


def drop(db: Db, event_id: int) -> None:
    """Delete a whole chat."""
    db.messages.delete_many({"eventId": event_id})
    db.chats.delete_one({"_id": event_id})
