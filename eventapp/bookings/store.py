"""Read and write the collection `bookings`. Its stock moves are in `bookings.store_moves`.

`active` is true while a booking is held or confirmed. A unique index over `userId`, `eventId` and
`slot` lets a user have one active booking of an event that they made themselves (slot `direct`) and
any number of waitlist offers (slot `offer-<bookingId>`). When an account is deleted, its bookings
get the slot `gone-<bookingId>`, because several of them may then have no user.

A document with `void: true` is a tombstone, not a booking. It occupies the id of a booking that was
never recorded. A process that was suspended can then not record that booking after its tickets were
given back.

A booking with a pending stock move does not change again until the move is recorded as applied.

`tell` holds the pending notifications of the holder. It is set by the same write as the change that
the holder is notified of. `tellAt` lets the worker find the booking.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import cast

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument, UpdateOne
from pymongo.collection import Collection

from eventapp.bookings.ledger.store import build_update
from eventapp.bookings.ledger.types import LedgerEntry
from eventapp.bookings.store_payments import build_payment_guard
from eventapp.bookings.types import BookingIdOnly, Cancellation, StoredBooking, Tombstone
from eventapp.core.database import Db, Query, make_unknown_outcome_error, try_insert_unordered
from eventapp.events.question_types import Attendee

NO_TOMBSTONE: Query = {"void": {"$ne": True}}
NO_PENDING_MOVE: Query = {"restock": {"$ne": "due"}}

# The order of all lists. Indexes end with these fields, so that a page needs no sorting.
NEWEST_FIRST = [("createdAt", DESCENDING), ("_id", DESCENDING)]

# The name of the index over held bookings.
HELD_INDEX = "held"
INDEXES = {
    "bookings": [
        IndexModel([("bookingReference", ASCENDING)], name="reference", unique=True),
        # One active booking that the user made. The slots of offers differ, so a user may have
        # several active bookings of an event.
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
        # For lists of the few bookings that have ended. Sales do not update it.
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
    # See `bookings.store_untold_holders`.
    "untoldHolders": [IndexModel([("dueAt", ASCENDING)], name="due")],
}

# A position in NEWEST_FIRST: createdAt and _id of a booking.
BookingPosition = tuple[datetime, ObjectId]


def _bookings(db: Db) -> Collection[StoredBooking]:
    return cast(Collection[StoredBooking], db.bookings)


# Recording bookings.


def insert_bookings(db: Db, bookings: Sequence[StoredBooking | Tombstone]) -> list[bool | None]:
    """Insert documents in one write.

    Returns:
        For each document whether it is stored: False where a unique index refused it, None where
        that is unknown. A booking that is not stored yet may then still be stored later.
    """
    return try_insert_unordered(cast(Collection[StoredBooking | Tombstone], db.bookings), bookings)


def insert_tombstone(db: Db, booking_id: ObjectId) -> bool:
    """Keep a booking from ever being stored under this id.

    Returns:
        True if there is now a tombstone under the id, or was one already; False if a booking is
        stored under it.

    Raises:
        AutoReconnect: it is unknown whether there is a tombstone.
    """
    tombstone: Tombstone = {
        "_id": booking_id,
        "bookingReference": f"void-{booking_id}",
        "void": True,
    }
    (is_stored,) = insert_bookings(db, [tombstone])
    if is_stored is None:
        raise make_unknown_outcome_error("bookings")
    return is_stored


def has_tombstone(db: Db, booking_id: ObjectId) -> bool:
    """Return whether there is a tombstone under this id."""
    return db.bookings.count_documents({"_id": booking_id, "void": True}, limit=1) == 1


# Finding bookings.


def find_booking(db: Db, booking_id: ObjectId) -> StoredBooking | None:
    """Return the booking with this id."""
    return _find_one(db, {"_id": booking_id})


def find_bookings(db: Db, booking_ids: Iterable[ObjectId]) -> list[StoredBooking]:
    """Return the bookings with these ids that exist."""
    ids = list(booking_ids)
    return list(_bookings(db).find({"_id": {"$in": ids}, **NO_TOMBSTONE})) if ids else []


def find_by_reference(db: Db, reference: str) -> StoredBooking | None:
    """Return the booking with this reference."""
    return _find_one(db, {"bookingReference": reference})


def find_by_idempotency_key(db: Db, user_id: ObjectId, key: str) -> StoredBooking | None:
    """Return the user's booking that was made with this idempotency key."""
    return _find_one(db, {"userId": user_id, "idempotency.key": key})


def _find_one(db: Db, where: Query) -> StoredBooking | None:
    return _bookings(db).find_one({**where, **NO_TOMBSTONE})


def find_active_bookings(db: Db, user_id: ObjectId, event_id: int) -> list[StoredBooking]:
    """Return the user's held and confirmed bookings of an event."""
    where = {"userId": user_id, "eventId": event_id, "active": True}
    return list(_bookings(db).find(where))


def find_existing_ids(db: Db, booking_ids: Iterable[ObjectId]) -> set[ObjectId]:
    """Return the given ids under which a booking is stored."""
    ids = list(booking_ids)
    if not ids:
        return set()
    found = cast(
        Iterable[BookingIdOnly], db.bookings.find({"_id": {"$in": ids}, **NO_TOMBSTONE}, {"_id": 1})
    )
    return {booking["_id"] for booking in found}


def find_active_ids(db: Db, booking_ids: Sequence[object]) -> set[ObjectId]:
    """Return the given ids of bookings that are held or confirmed."""
    active = {"_id": {"$in": booking_ids}, "active": True}
    found = cast(Iterable[BookingIdOnly], db.bookings.find(active, {"_id": 1}))
    return {booking["_id"] for booking in found}


def find_offers(
    db: Db, user_id: ObjectId, event_id: int, limit: int, booking_id: ObjectId | None = None
) -> list[StoredBooking]:
    """Return the waitlist offers to a user for one event, ended ones too, newest first.

    Args:
        booking_id: return only the offer with this id; None for all.
    """
    where = {**_build_offers_filter(user_id), "eventId": event_id}
    if booking_id is not None:
        where["_id"] = booking_id
    return list(_bookings(db).find(where).sort(NEWEST_FIRST).limit(limit))


def find_held_of_user(db: Db, user_id: ObjectId) -> list[StoredBooking]:
    """Return the holds and the open offers of a user."""
    return list(_bookings(db).find({"userId": user_id, "active": True, "status": "held"}))


def find_offers_page(
    db: Db, user_id: ObjectId, *, before: ObjectId | None, skip: int, limit: int
) -> list[StoredBooking]:
    """Return waitlist offers to a user, accepted and ended ones too, newest first.

    Args:
        before: return only offers with a lower id than this.
    """
    where = _build_offers_filter(user_id)
    if before is not None:
        where["_id"] = {"$lt": before}
    return list(_bookings(db).find(where).sort("_id", DESCENDING).skip(skip).limit(limit))


def find_open_offers(db: Db, event_id: int, now: datetime, limit: int) -> list[StoredBooking]:
    """Return the open waitlist offers of an event, those that expire first first."""
    where = {
        "status": "held",
        "expiresAt": {"$gt": now},
        "eventId": event_id,
        "waitlistEntryId": {"$exists": True},
    }
    # A hold lasts minutes, so all events together have few.
    found = _bookings(db).find(where, hint=HELD_INDEX)
    return list(found.sort("expiresAt", ASCENDING).limit(limit))


def count_offers(db: Db, user_id: ObjectId, limit: int) -> int:
    """Return the number of waitlist offers to a user, counted up to `limit`."""
    return db.bookings.count_documents(_build_offers_filter(user_id), limit=limit)


def _build_offers_filter(user_id: ObjectId) -> Query:
    return {"userId": user_id, "waitlistEntryId": {"$exists": True}}


def find_page(
    db: Db,
    where: Query,
    *,
    skip: int,
    limit: int,
    after: BookingPosition | None,
    hint: str | None = None,
) -> list[StoredBooking]:
    """Return a page of the bookings that match `where`, newest first.

    Args:
        after: the position that the page begins after; None to begin with the newest.
        hint: the name of the index to use; None to let the server choose.
    """
    if after:
        where = {"$and": [where, *build_position_filter(after)]}
    found = _bookings(db).find(where, hint=hint)
    return list(found.sort(NEWEST_FIRST).skip(skip).limit(limit))


def build_position_filter(after: BookingPosition) -> list[Query]:
    """Return the conditions that hold for the bookings after a position in NEWEST_FIRST."""
    created_at, booking_id = after
    older = [{"createdAt": {"$lt": created_at}}, {"_id": {"$lt": booking_id}}]
    return [{"createdAt": {"$lte": created_at}}, {"$or": older}]


def iterate_batches(db: Db, where: Query, batch_size: int) -> Iterator[list[StoredBooking]]:
    """Yield the bookings that match `where`, newest first, in lists of up to `batch_size`.

    Each list is read when it is asked for, and continues after the last booking of the one before.
    A slow consumer therefore meets no cursor timeout, and no booking is skipped or yielded twice.
    """
    after = None
    while batch := find_page(db, where, skip=0, limit=batch_size, after=after):
        yield batch
        if len(batch) < batch_size:
            return
        after = (batch[-1]["createdAt"], batch[-1]["_id"])


def count_bookings(db: Db, where: Query, *, up_to: int, hint: str | None = None) -> int:
    """Return how many bookings match `where`, but at most `up_to`."""
    if hint:
        return db.bookings.count_documents(where, limit=up_to, hint=hint)
    return db.bookings.count_documents(where, limit=up_to)


# Changing bookings.


def build_unchanged_guard(booking: StoredBooking) -> Query:
    """Return the guard that a booking has the status, tickets and payment with which it was read.

    Its quantity only ever falls, so where it is equal, no ticket was cancelled in between. Nor has
    the worker refreshed the copy of its schedule entry: a booking that ends stores a copy, too,
    which must not be older than the one that it has.
    """
    return {
        "status": booking["status"],
        "quantity": booking["quantity"],
        "copiedMoves": booking.get("copiedMoves"),
        **build_payment_guard(booking),
    }


def update_booking(
    db: Db,
    booking_id: ObjectId,
    where: Query,
    fields: Query,
    entries: Sequence[LedgerEntry] = (),
    removed: Sequence[str] = (),
    cancellation: Cancellation | None = None,
) -> StoredBooking | None:
    """Set fields of a booking if it matches `where` and has no pending stock move.

    Args:
        entries: added to the booking; needed if its tickets or its money change.
        removed: fields to remove.
        cancellation: added to those of the booking, together with entries.

    Returns:
        The booking after the update; None, with nothing written, if it did not match.
    """
    return _bookings(db).find_one_and_update(
        {"_id": booking_id, **NO_PENDING_MOVE, **where},
        build_update(
            fields, entries, removed, {"cancellations": cancellation} if cancellation else None
        ),
        return_document=ReturnDocument.AFTER,
    )


def update_bookings(
    db: Db, changes: Iterable[tuple[StoredBooking, Query, Sequence[LedgerEntry]]]
) -> int:
    """Set fields of bookings whose status and tickets are unchanged and that have no pending move.

    Args:
        changes: each booking as it was read, with the fields to set and the entries to add.

    Returns:
        How many bookings were changed.
    """
    updates = [
        UpdateOne(
            {"_id": booking["_id"], **NO_PENDING_MOVE, **build_unchanged_guard(booking)},
            build_update(fields, entries),
        )
        for booking, fields, entries in changes
    ]
    return db.bookings.bulk_write(updates, ordered=False).modified_count if updates else 0


def set_attendee(db: Db, booking: StoredBooking, place: str, attendee: Attendee) -> bool:
    """Store who comes with the ticket at a place of a confirmed booking.

    Returns:
        False, with nothing written, if the booking has another holder or status than when it was
        read, or the ticket is checked in or cancelled.
    """
    where: Query = {
        "_id": booking["_id"],
        "userId": booking["userId"],
        "status": booking["status"],
        f"checkIns.{place}": {"$exists": False},
        "cancellations.places": {"$ne": place},
    }
    update = {"$set": {f"attendees.{place}": attendee}}
    return _bookings(db).update_one(where, update).matched_count == 1


# Personal data.


def find_bookings_of_user(db: Db, user_id: ObjectId) -> list[StoredBooking]:
    """Return all bookings of a user, newest first."""
    return list(_bookings(db).find({"userId": user_id}).sort(NEWEST_FIRST))


def set_organizer(
    db: Db, event_ids: list[int], *, old_id: ObjectId, new_id: ObjectId, now: datetime
) -> None:
    """Replace the organizer `old_id` in the bookings of these events.

    `updatedAt` changes, so that the stored sums of the organizers are computed again.
    """
    for event_id in event_ids:
        db.bookings.update_many(
            {"eventId": event_id, "organizerId": old_id},
            {"$set": {"organizerId": new_id, "updatedAt": now}},
        )


def forget_user(db: Db, user_id: ObjectId) -> None:
    """Remove the user's id, idempotency keys and attendees from their bookings, which are kept."""
    found = cast(Iterable[BookingIdOnly], db.bookings.find({"userId": user_id}, {"_id": 1}))
    for booking in found:
        fields = {"userId": None, "slot": f"gone-{booking['_id']}"}
        db.bookings.update_one(
            {"_id": booking["_id"]},
            {"$set": fields, "$unset": {"idempotency": "", "attendees": "", "holderIsShown": ""}},
        )
