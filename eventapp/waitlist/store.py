"""The waitlist: one document an entry, first come, first served by event and ticket type.

`sequence` is the place in the order, given by the event's own write; `active` is there while the
entry waits; `offering` while an offer is being made of it, and by whom.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument
from pymongo.errors import DuplicateKeyError

from eventapp.core.database import Db, Document, retry_on_write_conflict

INDEXES = {
    "waitlist": [
        IndexModel(
            [("userId", ASCENDING), ("eventId", ASCENDING), ("ticketTypeId", ASCENDING)],
            name="one_active_entry",
            unique=True,
            partialFilterExpression={"active": True},
        ),
        IndexModel(
            [
                ("eventId", ASCENDING),
                ("ticketTypeId", ASCENDING),
                ("active", ASCENDING),
                ("sequence", ASCENDING),
            ],
            name="queue",
        ),
        IndexModel([("userId", ASCENDING), ("joinedAt", DESCENDING)], name="user"),
        IndexModel(
            [("userId", ASCENDING), ("idempotency.key", ASCENDING)],
            name="idempotency",
            unique=True,
            partialFilterExpression={"idempotency.key": {"$exists": True}},
        ),
        IndexModel(
            [("restock", ASCENDING)],
            name="restock_due",
            partialFilterExpression={"restock": "due"},
        ),
        IndexModel([("offering.at", ASCENDING)], name="offering", sparse=True),
        IndexModel([("offering.bookingId", ASCENDING)], name="offered_as", sparse=True),
    ]
}


def insert(db: Db, entry: Document) -> bool:
    """False, with nothing written, where the user waits for this type already."""
    try:
        retry_on_write_conflict(lambda: db.waitlist.insert_one(entry))
    except DuplicateKeyError:
        return False
    return True


def void(db: Db, entry_id: ObjectId) -> bool:
    """Make sure that no entry is ever stored under this id; False where one is already.

    Else a process that was asleep could store it after its place was given up.
    """
    return insert(db, {"_id": entry_id, "void": True}) or get(db, entry_id) is None


def get(db: Db, entry_id: ObjectId) -> Document | None:
    found: Document | None = db.waitlist.find_one({"_id": entry_id, "void": {"$ne": True}})
    return found


def by_key(db: Db, user_id: ObjectId, key: str) -> Document | None:
    found: Document | None = db.waitlist.find_one({"userId": user_id, "idempotency.key": key})
    return found


def active_counts(db: Db, event_ids: list[int]) -> dict[int, dict[int, int]]:
    stages: list[Document] = [
        {"$match": {"eventId": {"$in": event_ids}, "active": True}},
        {"$group": {"_id": {"event": "$eventId", "type": "$ticketTypeId"}, "n": {"$sum": 1}}},
    ]
    counts: dict[int, dict[int, int]] = {}
    for group in db.waitlist.aggregate(stages):
        counts.setdefault(group["_id"]["event"], {})[group["_id"]["type"]] = group["n"]
    return counts


def of_user(db: Db, user_id: ObjectId, limit: int) -> list[Document]:
    """The user's active entries, newest first."""
    mine = {"userId": user_id, "active": True}
    return list(db.waitlist.find(mine).sort("joinedAt", DESCENDING).limit(limit))


def all_of(db: Db, user_id: ObjectId) -> list[Document]:
    """The user's entries, ended ones too, newest first."""
    return list(db.waitlist.find({"userId": user_id}).sort("joinedAt", DESCENDING))


def of_user_and_event(db: Db, user_id: ObjectId, event_id: int) -> list[Document]:
    """The user's active entries for one event."""
    return list(db.waitlist.find({"userId": user_id, "eventId": event_id, "active": True}))


def before(db: Db, entry: Document) -> int:
    """How many active entries of the same event and type come first."""
    ahead = {
        "eventId": entry["eventId"],
        "ticketTypeId": entry["ticketTypeId"],
        "active": True,
        "sequence": {"$lt": entry["sequence"]},
    }
    return db.waitlist.count_documents(ahead)


def head(db: Db, event_id: int, type_id: int) -> Document | None:
    """The entry that is next."""
    queue = {"eventId": event_id, "ticketTypeId": type_id, "active": True}
    found: Document | None = db.waitlist.find_one(queue, sort=[("sequence", ASCENDING)])
    return found


def claim(db: Db, entry_id: ObjectId, booking_id: ObjectId, now: datetime) -> Document | None:
    """Reserve making this entry an offer; None where it is gone or another is at it."""
    claimed: Document | None = db.waitlist.find_one_and_update(
        {"_id": entry_id, "active": True, "offering": {"$exists": False}},
        {"$set": {"offering": {"bookingId": booking_id, "at": now}}},
        return_document=ReturnDocument.AFTER,
    )
    return claimed


def release(db: Db, entry_id: ObjectId, booking_id: ObjectId) -> None:
    """Give the reservation up, with no offer made."""
    db.waitlist.update_one(
        {"_id": entry_id, "offering.bookingId": booking_id}, {"$unset": {"offering": ""}}
    )


def offered(
    db: Db, entry_id: ObjectId, booking_id: ObjectId, quantity: int, *, last: bool, now: datetime
) -> None:
    """Count the offer against the entry, once; the rest of it keeps its place."""
    fields: dict[str, Any] = {"updatedAt": now}
    if last:
        fields |= {"active": False, "status": "offered"}
    db.waitlist.update_one(
        {"_id": entry_id, "offering.bookingId": booking_id},
        {
            "$inc": {"quantity": -quantity},
            "$push": {"offers": booking_id},
            "$set": fields,
            "$unset": {"offering": ""},
        },
    )


def end(db: Db, entry_id: ObjectId, status: str, now: datetime) -> Document | None:
    """End an active entry that nobody is making an offer of; only one caller gets it."""
    ended: Document | None = db.waitlist.find_one_and_update(
        {"_id": entry_id, "active": True, "offering": {"$exists": False}},
        {"$set": {"active": False, "status": status, "restock": "due", "updatedAt": now}},
        return_document=ReturnDocument.AFTER,
    )
    return ended


def restocked(db: Db, entry_ids: Sequence[ObjectId]) -> None:
    """The event's `waiting` has been set right."""
    db.waitlist.update_many({"_id": {"$in": entry_ids}}, {"$set": {"restock": "done"}})


def due_among(db: Db, entry_ids: Sequence[ObjectId]) -> list[ObjectId]:
    """Those of the ended entries that their event has still to count out."""
    due = {"_id": {"$in": entry_ids}, "restock": "due"}
    return [entry["_id"] for entry in db.waitlist.find(due, {"_id": 1})]


def with_restock_due(db: Db, before_: datetime, limit: int) -> list[Document]:
    due = {"restock": "due", "updatedAt": {"$lt": before_}}
    return list(db.waitlist.find(due).limit(limit))


def due_of_events(db: Db, event_ids: list[int]) -> list[Document]:
    return list(db.waitlist.find({"restock": "due", "eventId": {"$in": event_ids}}))


def being_offered(db: Db, booking_ids: list[ObjectId]) -> list[ObjectId]:
    found = db.waitlist.find({"offering.bookingId": {"$in": booking_ids}}, {"offering": 1})
    return [entry["offering"]["bookingId"] for entry in found]


def existing(db: Db, entry_ids: list[ObjectId]) -> list[ObjectId]:
    found = db.waitlist.find({"_id": {"$in": entry_ids}, "void": {"$ne": True}}, {"_id": 1})
    return [entry["_id"] for entry in found]


def with_old_claims(db: Db, before_: datetime, limit: int) -> list[Document]:
    return list(db.waitlist.find({"offering.at": {"$lt": before_}}).limit(limit))


def active_of_event(db: Db, event_id: int, limit: int) -> list[Document]:
    return list(db.waitlist.find({"eventId": event_id, "active": True}).limit(limit))


def forget_user(db: Db, user_id: ObjectId) -> None:
    """End the person's entries, which the worker lets the events count out, and forget whose.

    One that is just being made an offer of ends with the offer: its time runs out.
    """
    gone = {"active": False, "status": "left", "restock": "due"}
    waiting = {"userId": user_id, "active": True, "offering": {"$exists": False}}
    db.waitlist.update_many(waiting, {"$set": gone})
    ended = {"userId": user_id, "active": {"$ne": True}}
    db.waitlist.update_many(ended, {"$set": {"userId": None}, "$unset": {"idempotency": ""}})
