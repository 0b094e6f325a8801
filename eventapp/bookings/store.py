"""The bookings collection. `active` is there while a booking holds or owns tickets.

A document with `void` is no booking: it takes the id of one that was never recorded, so that a
process that was asleep can't record it after its tickets were given back.

`slot` lets a user have one active booking of an event of their own making, and beside it what the
waitlist gave. `restock: due` notes tickets whose move on the event is not yet recorded as made.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument, UpdateOne
from pymongo.errors import AutoReconnect, BulkWriteError

from eventapp.core.database import Db, Document

# A write conflict wrote nothing and may be tried again: on some servers, inserts that a unique
# index is just deciding between get in each other's way.
DUPLICATE_KEY, WRITE_CONFLICT = 11000, 112
INSERT_ATTEMPTS = 10
NOT_VOID = {"void": {"$ne": True}}

# The whole order of the lists, so that a page needs no sorting.
NEWEST_FIRST = [("createdAt", DESCENDING), ("_id", DESCENDING)]

HELD = "held"
INDEXES = {
    "bookings": [
        IndexModel([("bookingReference", ASCENDING)], name="reference", unique=True),
        IndexModel(
            [("userId", ASCENDING), ("eventId", ASCENDING), ("slot", ASCENDING)],
            name="one_active_booking",
            unique=True,
            partialFilterExpression={"active": True},
        ),
        IndexModel(
            [("userId", ASCENDING), ("idempotency.key", ASCENDING)],
            name="idempotency",
            unique=True,
            partialFilterExpression={"idempotency.key": {"$exists": True}},
        ),
        IndexModel([("userId", ASCENDING), *NEWEST_FIRST], name="user_newest"),
        IndexModel([("eventId", ASCENDING), *NEWEST_FIRST], name="event_newest"),
        # The few among the many, for lists by status: no sale writes it.
        IndexModel(
            [("eventId", ASCENDING), ("status", ASCENDING), *NEWEST_FIRST],
            name="event_ended",
            partialFilterExpression={"active": False},
        ),
        IndexModel(
            [("expiresAt", ASCENDING)], name=HELD, partialFilterExpression={"status": "held"}
        ),
        IndexModel(
            [("restock", ASCENDING)],
            name="restock_due",
            partialFilterExpression={"restock": "due"},
        ),
        IndexModel([("waitlistEntryId", ASCENDING)], name="offers", sparse=True),
    ]
}


def insert_many(db: Db, bookings: Sequence[Document]) -> list[bool]:
    """Insert them in one batch; for each whether it is in, False where a unique index refused."""
    inserted = [True] * len(bookings)
    left = list(range(len(bookings)))
    for _attempt in range(INSERT_ATTEMPTS):
        codes = _insert_some(db, [bookings[index] for index in left])
        for place, code in codes.items():
            inserted[left[place]] = code != DUPLICATE_KEY
        left = [left[place] for place, code in codes.items() if code == WRITE_CONFLICT]
        if not left:
            return inserted
    raise AutoReconnect("bookings conflicted with others at every attempt")


def _insert_some(db: Db, bookings: list[Document]) -> dict[int, int]:
    """The error codes of those that were not inserted, by their place."""
    try:
        db.bookings.insert_many(bookings, ordered=False)
    except BulkWriteError as error:
        codes = {fault["index"]: fault["code"] for fault in error.details["writeErrors"]}
        if set(codes.values()) - {DUPLICATE_KEY, WRITE_CONFLICT}:
            raise
        return codes
    return {}


def get(db: Db, booking_id: ObjectId) -> Document | None:
    return _one(db, {"_id": booking_id})


def by_reference(db: Db, reference: str) -> Document | None:
    return _one(db, {"bookingReference": reference})


def by_key(db: Db, user_id: ObjectId, key: str) -> Document | None:
    """The user's booking that was made under this idempotency key."""
    return _one(db, {"userId": user_id, "idempotency.key": key})


def active_of(db: Db, user_id: ObjectId, event_id: int) -> list[Document]:
    """The user's held and confirmed bookings of an event."""
    where = {"userId": user_id, "eventId": event_id, "active": True}
    return list(db.bookings.find(where))


def existing(db: Db, booking_ids: Iterable[ObjectId]) -> set[ObjectId]:
    """Those of the ids that are bookings."""
    asked = list(booking_ids)
    if not asked:
        return set()
    ids = {"_id": {"$in": asked}, **NOT_VOID}
    return {booking["_id"] for booking in db.bookings.find(ids, {"_id": 1})}


def void(db: Db, booking_id: ObjectId) -> bool:
    """Make sure that no booking is ever recorded under this id; False where one is already."""
    nothing = {"_id": booking_id, "bookingReference": f"void-{booking_id}", "void": True}
    return insert_many(db, [nothing])[0] or is_void(db, booking_id)


def is_void(db: Db, booking_id: ObjectId) -> bool:
    return db.bookings.count_documents({"_id": booking_id, "void": True}, limit=1) == 1


def transition(
    db: Db, booking_id: ObjectId, where: Document, fields: dict[str, Any]
) -> Document | None:
    """Change a booking's state where `where` still holds and no move of tickets is due.

    Returns:
        The booking after it, for the one caller who made it; None for all others.
    """
    after: Document | None = db.bookings.find_one_and_update(
        {"_id": booking_id, "restock": {"$ne": "due"}, **where},
        {"$set": fields},
        return_document=ReturnDocument.AFTER,
    )
    return after


def end_all(db: Db, ends: Iterable[tuple[Document, dict[str, Any]]]) -> int:
    """As `transition`, of many: set the fields of each that still has the status it was read with.

    Returns:
        How many were changed.
    """
    writes = [
        UpdateOne(
            {"_id": read["_id"], "restock": {"$ne": "due"}, "status": read["status"]},
            {"$set": fields},
        )
        for read, fields in ends
    ]
    return db.bookings.bulk_write(writes, ordered=False).modified_count if writes else 0


def due_among(db: Db, booking_ids: Sequence[ObjectId]) -> list[Document]:
    """Those of the bookings whose move of tickets is due."""
    return list(db.bookings.find({"_id": {"$in": booking_ids}, "restock": "due"}))


def refunded(db: Db, refunds: Mapping[ObjectId, Document]) -> None:
    """Note the paid refunds of bookings that have ended, also while their tickets are still due."""
    paid = [
        UpdateOne({"_id": id_, "active": False}, {"$set": {"refund": refund}})
        for id_, refund in refunds.items()
    ]
    if paid:
        db.bookings.bulk_write(paid, ordered=False)


def restocked(db: Db, booking_ids: Sequence[ObjectId], keys: Sequence[str]) -> None:
    """These moves of their tickets are made; a later move of the same booking stays due."""
    made = {"_id": {"$in": booking_ids}, "due.key": {"$in": keys}}
    db.bookings.update_many(made, {"$set": {"restock": "done"}})


def due_keys(db: Db, booking_ids: Sequence[ObjectId]) -> set[str]:
    """The keys of their moves that are not recorded as made."""
    due = {"_id": {"$in": booking_ids}, "restock": "due"}
    return {booking["due"]["key"] for booking in db.bookings.find(due, {"due.key": 1})}


def with_restock_due(db: Db, before: datetime, limit: int) -> list[Document]:
    due = {"restock": "due", "updatedAt": {"$lt": before}}
    return list(db.bookings.find(due).limit(limit))


def lapsed(db: Db, now: datetime, limit: int) -> list[Document]:
    """Holds whose time is over."""
    over = {"status": "held", "expiresAt": {"$lte": now}}
    return list(db.bookings.find(over).limit(limit))


def offers_of(db: Db, user_id: ObjectId, event_id: int | None, limit: int) -> list[Document]:
    """Bookings that the waitlist gave the user, newest first."""
    where: Document = {"userId": user_id, "waitlistEntryId": {"$exists": True}}
    if event_id is not None:
        where["eventId"] = event_id
    return list(db.bookings.find(where).sort("createdAt", DESCENDING).limit(limit))


def page(
    db: Db,
    where: Document,
    *,
    skip: int,
    limit: int,
    after: tuple[datetime, ObjectId] | None,
    hint: str | None = None,
) -> list[Document]:
    """Newest first.

    Args:
        after: the creation time and id of the row to go on after.
        hint: the name of the index to go by.
    """
    if after:
        created, booking_id = after
        older = [{"createdAt": {"$lt": created}}, {"_id": {"$lt": booking_id}}]
        where = {"$and": [where, {"createdAt": {"$lte": created}}, {"$or": older}]}
    found = db.bookings.find(where, hint=hint)
    return list(found.sort(NEWEST_FIRST).skip(skip).limit(limit))


def count(db: Db, where: Document, *, up_to: int, hint: str | None = None) -> int:
    options: dict[str, Any] = {"hint": hint} if hint else {}
    return db.bookings.count_documents(where, limit=up_to, **options)


def _one(db: Db, where: Document) -> Document | None:
    found: Document | None = db.bookings.find_one({**where, **NOT_VOID})
    return found
