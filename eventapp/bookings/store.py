"""Read and write the collection `bookings`, and note which reports are written.

`active` is true while a booking has tickets. A unique index over `userId`, `eventId` and `slot`
lets a user have one active booking of an event that they made themselves (slot `direct`) and any
number that the waitlist gave (slot `offer-<bookingId>`). When an account is deleted its bookings
get the slot `gone-<bookingId>`, since several of them now have no user.

A document with `void: true` is not a booking. It takes the id of a booking that was never recorded,
so that a process that was suspended cannot record it after its tickets were given back.

`restock: "due"` says that the stock move in `due` is pending: the booking has changed, and nobody
has recorded yet that the event's stock has. A booking with a pending move does not change again
until the move is made.

`tell: {kind: when}` holds the notifications that are still to be written. It is set with the change
that it tells of, and `tellAt` beside it lets the worker find the booking.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, cast

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument, UpdateOne
from pymongo.collection import Collection
from pymongo.errors import AutoReconnect, BulkWriteError, DuplicateKeyError

from eventapp.bookings.types import (
    ActiveTickets,
    BookingKey,
    BookingWithMoveKey,
    Refund,
    SalesSum,
    StoredBooking,
    StoredVoid,
)
from eventapp.core.database import Db, Query

DUPLICATE_KEY, WRITE_CONFLICT = 11000, 112
# Some servers fail an insert with a write conflict while a unique index decides between it and
# another one. Nothing is written then, and the insert may be tried again.
INSERT_ATTEMPTS = 10
NOT_VOID: Query = {"void": {"$ne": True}}
NO_PENDING_MOVE: Query = {"restock": {"$ne": "due"}}

# The whole order of the lists, so that a page needs no sorting.
NEWEST_FIRST = [("createdAt", DESCENDING), ("_id", DESCENDING)]

# The name of the index over the bookings that are held.
HELD_INDEX = "held"
REPORT_PERIOD_SECONDS = 60 * 86400
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
        # For lists by status of the few bookings that have ended. No sale has to update it.
        IndexModel(
            [("eventId", ASCENDING), ("status", ASCENDING), *NEWEST_FIRST],
            name="event_ended",
            partialFilterExpression={"active": False},
        ),
        IndexModel(
            [("expiresAt", ASCENDING)], name=HELD_INDEX, partialFilterExpression={"status": "held"}
        ),
        IndexModel(
            [("restock", ASCENDING)],
            name="restock_due",
            partialFilterExpression={"restock": "due"},
        ),
        IndexModel([("waitlistEntryId", ASCENDING)], name="offers", sparse=True),
        IndexModel([("tellAt", ASCENDING)], name="tell", sparse=True),
    ],
    "reportPeriods": [
        IndexModel(
            [("reportedAt", ASCENDING)], name="old", expireAfterSeconds=REPORT_PERIOD_SECONDS
        )
    ],
}

# A position in NEWEST_FIRST: createdAt and _id of a booking.
Position = tuple[datetime, ObjectId]


def _bookings(db: Db) -> Collection[StoredBooking]:
    return cast(Collection[StoredBooking], db.bookings)


# Recording bookings.


def insert_bookings(db: Db, bookings: Sequence[StoredBooking | StoredVoid]) -> list[bool]:
    """Insert documents in one write.

    Returns:
        For each whether it was inserted; False where a unique index refused it.
    """
    inserted = [True] * len(bookings)
    remaining = list(range(len(bookings)))
    for _attempt in range(INSERT_ATTEMPTS):
        error_codes = _try_to_insert(db, [bookings[index] for index in remaining])
        for position, code in error_codes.items():
            inserted[remaining[position]] = code != DUPLICATE_KEY
        remaining = [remaining[i] for i, code in error_codes.items() if code == WRITE_CONFLICT]
        if not remaining:
            return inserted
    raise AutoReconnect("inserting bookings failed with write conflicts at every attempt")


def _try_to_insert(db: Db, bookings: Sequence[StoredBooking | StoredVoid]) -> dict[int, int]:
    """Return the error code of each document that was not inserted, by its index."""
    try:
        db.bookings.insert_many(cast(list[dict[str, Any]], bookings), ordered=False)
    except BulkWriteError as error:
        codes = {each["index"]: each["code"] for each in error.details["writeErrors"]}
        if set(codes.values()) - {DUPLICATE_KEY, WRITE_CONFLICT}:
            raise
        return codes
    return {}


def void_id(db: Db, booking_id: ObjectId) -> bool:
    """Make sure that no booking is ever stored under this id; return False if one already is."""
    void: StoredVoid = {
        "_id": booking_id,
        "bookingReference": f"void-{booking_id}",
        "void": True,
    }
    return insert_bookings(db, [void])[0] or is_void(db, booking_id)


def is_void(db: Db, booking_id: ObjectId) -> bool:
    """Return whether this id was voided."""
    return db.bookings.count_documents({"_id": booking_id, "void": True}, limit=1) == 1


# Finding bookings.


def find_booking(db: Db, booking_id: ObjectId) -> StoredBooking | None:
    """Return the booking with this id."""
    return _find_one(db, {"_id": booking_id})


def find_by_reference(db: Db, reference: str) -> StoredBooking | None:
    """Return the booking with this reference."""
    return _find_one(db, {"bookingReference": reference})


def find_by_idempotency_key(db: Db, user_id: ObjectId, key: str) -> StoredBooking | None:
    """Return the user's booking that was made with this idempotency key."""
    return _find_one(db, {"userId": user_id, "idempotency.key": key})


def _find_one(db: Db, where: Query) -> StoredBooking | None:
    return _bookings(db).find_one({**where, **NOT_VOID})


def find_active_bookings(db: Db, user_id: ObjectId, event_id: int) -> list[StoredBooking]:
    """Return the user's held and confirmed bookings of an event."""
    where = {"userId": user_id, "eventId": event_id, "active": True}
    return list(_bookings(db).find(where))


def find_existing_ids(db: Db, booking_ids: Iterable[ObjectId]) -> set[ObjectId]:
    """Return those of the ids under which a booking is stored."""
    ids = list(booking_ids)
    if not ids:
        return set()
    found = cast(
        Iterable[BookingKey], db.bookings.find({"_id": {"$in": ids}, **NOT_VOID}, {"_id": 1})
    )
    return {booking["_id"] for booking in found}


def find_expired_holds(db: Db, now: datetime, limit: int) -> list[StoredBooking]:
    """Return bookings that are still held although their time is over."""
    expired = {"status": "held", "expiresAt": {"$lte": now}}
    return list(_bookings(db).find(expired).limit(limit))


def find_offers(db: Db, user_id: ObjectId, event_id: int | None, limit: int) -> list[StoredBooking]:
    """Return bookings that the waitlist gave the user, of one event or of all, newest first."""
    where: Query = {"userId": user_id, "waitlistEntryId": {"$exists": True}}
    if event_id is not None:
        where["eventId"] = event_id
    return list(_bookings(db).find(where).sort("createdAt", DESCENDING).limit(limit))


def find_page(
    db: Db,
    where: Query,
    *,
    skip: int,
    limit: int,
    after: Position | None,
    hint: str | None = None,
) -> list[StoredBooking]:
    """Return bookings that match `where`, newest first.

    Args:
        after: the position that the page begins after; None to begin with the newest.
        hint: the name of the index to use; None to let the server choose.
    """
    if after:
        created_at, booking_id = after
        older = [{"createdAt": {"$lt": created_at}}, {"_id": {"$lt": booking_id}}]
        where = {"$and": [where, {"createdAt": {"$lte": created_at}}, {"$or": older}]}
    found = _bookings(db).find(where, hint=hint)
    return list(found.sort(NEWEST_FIRST).skip(skip).limit(limit))


def count_bookings(db: Db, where: Query, *, up_to: int, hint: str | None = None) -> int:
    """Return how many bookings match, counted no further than `up_to`."""
    if hint:
        return db.bookings.count_documents(where, limit=up_to, hint=hint)
    return db.bookings.count_documents(where, limit=up_to)


# Changing bookings.


def transition(
    db: Db, booking_id: ObjectId, where: Query, fields: Mapping[str, Any]
) -> StoredBooking | None:
    """Set fields of a booking if `where` still holds and it has no pending stock move.

    Returns:
        The booking after the update, to the one caller that made it; None to all others.
    """
    return _bookings(db).find_one_and_update(
        {"_id": booking_id, **NO_PENDING_MOVE, **where},
        {"$set": fields},
        return_document=ReturnDocument.AFTER,
    )


def end_bookings(db: Db, endings: Iterable[tuple[StoredBooking, Mapping[str, Any]]]) -> int:
    """Set fields of each booking that still has the status it was read with, as `transition` does.

    Args:
        endings: each booking as read, with the fields to set.

    Returns:
        How many bookings were changed.
    """
    updates = [
        UpdateOne(
            {"_id": booking["_id"], **NO_PENDING_MOVE, "status": booking["status"]},
            {"$set": fields},
        )
        for booking, fields in endings
    ]
    return db.bookings.bulk_write(updates, ordered=False).modified_count if updates else 0


def set_refunds(db: Db, refunds: Mapping[ObjectId, Refund]) -> None:
    """Store the refunds of bookings that have ended, by booking id, pending moves or not."""
    updates = [
        UpdateOne({"_id": booking_id, "active": False}, {"$set": {"refund": refund}})
        for booking_id, refund in refunds.items()
    ]
    if updates:
        db.bookings.bulk_write(updates, ordered=False)


# Pending stock moves.


def find_with_pending_moves(db: Db, booking_ids: Sequence[ObjectId]) -> list[StoredBooking]:
    """Return those of the bookings that have a pending stock move."""
    return list(_bookings(db).find({"_id": {"$in": booking_ids}, "restock": "due"}))


def find_stale_pending_moves(db: Db, before: datetime, limit: int) -> list[StoredBooking]:
    """Return bookings whose stock move has been pending since before this time."""
    stale = {"restock": "due", "updatedAt": {"$lt": before}}
    return list(_bookings(db).find(stale).limit(limit))


def find_pending_moves_of_events(db: Db, event_ids: list[int]) -> list[StoredBooking]:
    """Return the bookings of these events that have a pending stock move."""
    return list(_bookings(db).find({"restock": "due", "eventId": {"$in": event_ids}}))


def find_pending_move_keys(db: Db, booking_ids: Sequence[ObjectId]) -> set[str]:
    """Return the keys of those stock moves of the bookings that are pending."""
    pending = {"_id": {"$in": booking_ids}, "restock": "due"}
    found = cast(Iterable[BookingWithMoveKey], db.bookings.find(pending, {"due.key": 1}))
    return {booking["due"]["key"] for booking in found}


def mark_moves_made(db: Db, booking_ids: Sequence[ObjectId], keys: Sequence[str]) -> None:
    """Record that these stock moves are made; a later move of a booking stays pending."""
    made = {"_id": {"$in": booking_ids}, "due.key": {"$in": keys}}
    db.bookings.update_many(made, {"$set": {"restock": "done"}})


# Audits.


def sum_active_tickets(db: Db, event_ids: list[int]) -> dict[int, list[ActiveTickets]]:
    """Return the tickets of active bookings by eventId, summed by ticket type and status."""
    stages: list[Query] = [
        {"$match": {"eventId": {"$in": event_ids}, "active": True}},
        {"$unwind": "$items"},
        {
            "$group": {
                "_id": {"event": "$eventId", "type": "$items.ticketTypeId", "status": "$status"},
                "quantity": {"$sum": "$items.quantity"},
            }
        },
    ]
    sums: dict[int, list[ActiveTickets]] = {}
    for row in db.bookings.aggregate(stages):
        sum_ = cast(ActiveTickets, {**row["_id"], "quantity": row["quantity"]})
        sums.setdefault(sum_["event"], []).append(sum_)
    return sums


# Notifications to holders.


def find_with_pending_notifications(db: Db, limit: int) -> list[StoredBooking]:
    """Return bookings with notifications still to be written, the oldest first."""
    found = _bookings(db).find({"tellAt": {"$exists": True}})
    return list(found.sort("tellAt", ASCENDING).limit(limit))


def clear_pending_notifications(db: Db, bookings: Iterable[StoredBooking]) -> None:
    """Clear the pending notifications of bookings, unless some were added since they were read."""
    clear = {"$unset": {"tell": "", "tellAt": ""}}
    unchanged = ({"_id": booking["_id"], "tell": booking["tell"]} for booking in bookings)
    if updates := [UpdateOne(where, clear) for where in unchanged]:
        db.bookings.bulk_write(updates, ordered=False)


# Reports to organizers.


def sum_sales(db: Db, event_ids: list[int], since: datetime, until: datetime) -> list[SalesSum]:
    """Return the bookings made from `since` to before `until`, summed by event and status.

    Bookings that are still held are left out, because they may be confirmed or expire.
    """
    made = {"eventId": {"$in": event_ids}, "createdAt": {"$gte": since, "$lt": until}}
    group = {
        "_id": {"event": "$eventId", "status": "$status"},
        "bookings": {"$sum": 1},
        "tickets": {"$sum": "$quantity"},
        "cents": {"$sum": "$totalCents"},
    }
    decided = {"status": {"$in": ["confirmed", "cancelled", "expired"]}}
    rows = db.bookings.aggregate([{"$match": {**made, **decided}}, {"$group": group}])
    return cast(list[SalesSum], list(rows))


def is_period_reported(db: Db, period_key: str) -> bool:
    """Return whether all reports of this period are written."""
    return db.reportPeriods.find_one({"_id": period_key}) is not None


def mark_period_reported(db: Db, period_key: str, now: datetime) -> None:
    """Record that all reports of this period are written."""
    with suppress(DuplicateKeyError):  # Another worker has recorded it.
        db.reportPeriods.insert_one({"_id": period_key, "reportedAt": now})


# Personal data.


def find_bookings_of_user(db: Db, user_id: ObjectId) -> list[StoredBooking]:
    """Return all bookings of a user, newest first."""
    return list(_bookings(db).find({"userId": user_id}).sort("createdAt", DESCENDING))


def anonymize_user(db: Db, user_id: ObjectId) -> None:
    """Remove the user from their bookings, which stay."""
    found = cast(Iterable[BookingKey], db.bookings.find({"userId": user_id}, {"_id": 1}))
    for booking in found:
        fields = {"userId": None, "slot": f"gone-{booking['_id']}"}
        db.bookings.update_one(
            {"_id": booking["_id"]}, {"$set": fields, "$unset": {"idempotency": ""}}
        )
