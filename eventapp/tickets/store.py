"""Check-ins, which are stored in the bookings, and the key that signs tickets.

Only this feature writes `checkIns` and `undoneCheckIns` of a booking. A check-in adds an entry for
the ledger in the same write, of which webhooks are told. One guarded write verifies
that the booking is confirmed, that the ticket was not checked in before and that it is not
cancelled. A cancellation is guarded by the absence of `checkIns` (`bookings.transitions`), and one
of some tickets by the absence of theirs (`bookings.partial_cancellations`): a checked-in ticket
never goes back on sale.

An undo removes a check-in and records when, in one write. A check-in by an offline scan is guarded
by the absence of an undo after the scan, so of both at once the order of the writes decides.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import cast

from bson import ObjectId
from pymongo import DESCENDING, ReturnDocument
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from eventapp.bookings.ledger.types import LedgerEntry
from eventapp.bookings.types import CheckIn, StoredBooking
from eventapp.core.database import Db, Query, retry_on_write_conflict
from eventapp.tickets.types import CheckedInBooking, StoredKey, TicketedBooking

KEY_ID = "tickets"
# The order of the index `event_newest` of bookings.
NEWEST_FIRST = [("createdAt", DESCENDING), ("_id", DESCENDING)]
TICKETED_BOOKING_FIELDS = dict.fromkeys(
    (
        *("status", "items", "createdAt", "checkIns", "cancellations"),
        *("bookingReference", "userId", "holderIsShown", "attendees"),
        # What BookedEntry has.
        *("eventId", "active", "scheduleId", "bookedMoves", "copiedMoves"),
        *("date", "location", "timezone", "startsAt", "endsAt"),
    ),
    1,
)


def _bookings(db: Db) -> Collection[StoredBooking]:
    return cast(Collection[StoredBooking], db.bookings)


def load_seed(db: Db, generate: Callable[[], bytes], now: datetime) -> bytes:
    """Return the seed of the private key; store a generated one if there is none.

    If several processes generate a seed at the same time, all of them use the one stored first.
    """
    stored = cast(StoredKey | None, db["keys"].find_one({"_id": KEY_ID}))
    if stored:
        return bytes(stored["seed"])
    key: StoredKey = {"_id": KEY_ID, "seed": generate(), "createdAt": now}
    with suppress(DuplicateKeyError):
        retry_on_write_conflict(lambda: db["keys"].insert_one(dict(key)))
    return load_seed(db, generate, now)


def replace_seed(db: Db, seed: bytes, now: datetime) -> None:
    """Store the seed of the private key; replace the present one."""
    update = {"$set": {"seed": seed, "createdAt": now}}
    retry_on_write_conflict(lambda: db["keys"].update_one({"_id": KEY_ID}, update, upsert=True))


def find_booking(db: Db, booking_id: ObjectId) -> StoredBooking | None:
    """Return a booking of any user and status; None if there is none with this id."""
    return _bookings(db).find_one({"_id": booking_id, "void": {"$ne": True}})


def check_in(
    db: Db,
    booking_id: ObjectId,
    local_id: str,
    *,
    event_id: int,
    check_in: CheckIn,
    entry: LedgerEntry | None,
) -> StoredBooking | None:
    """Store a check-in in one guarded write.

    Args:
        local_id: as in `rules.Ticket`.
        entry: the entry of the check-in, for a booking that has entries; None for one of an older
            version that has none yet.

    Returns:
        The booking after the write. None, with nothing written, if the ticket is checked in
        already or cancelled, if its check-in was undone after the offline scan, if the booking is
        not a confirmed one of this event, or if it has entries and none is given, or the opposite.
    """
    field = f"checkIns.{local_id}"
    update: Query = {"$set": {field: check_in}}
    if entry:
        update = {"$set": {field: check_in, "ledgerDue": True}, "$push": {"entries": entry}}
    where = {
        "_id": booking_id,
        "eventId": event_id,
        "status": "confirmed",
        field: {"$exists": False},
        "entries.0": {"$exists": entry is not None},
        **build_not_cancelled_guard(local_id),
        **build_not_undone_guard(local_id, check_in["scannedAt"]),
    }
    updated: StoredBooking | None = retry_on_write_conflict(
        lambda: _bookings(db).find_one_and_update(
            where, update, return_document=ReturnDocument.AFTER
        )
    )
    return updated


def build_not_cancelled_guard(local_id: str) -> Query:
    """Return the guard that a ticket was not cancelled."""
    return {"cancellations.places": {"$ne": local_id}}


def build_not_undone_guard(local_id: str, scanned_at: datetime | None) -> Query:
    """Return the guard that is the opposite of `rules.is_scan_undone`; none for an online scan."""
    if scanned_at is None:
        return {}
    undo = f"undoneCheckIns.{local_id}"
    is_later = [{undo: {"$exists": False}}, {f"{undo}.at": {"$lt": scanned_at}}]
    return {"$or": is_later, f"{undo}.scans": {"$ne": scanned_at}}


def undo_check_in(
    db: Db,
    booking_id: ObjectId,
    local_id: str,
    *,
    event_id: int,
    check_in: CheckIn,
    now: datetime,
) -> StoredBooking | None:
    """Remove a check-in and record its undo, in one guarded write.

    Args:
        local_id: as in `rules.Ticket`.
        check_in: the check-in as it was read.

    Returns:
        The booking after the write. None, with nothing written, if the ticket does not have this
        check-in any more, or the booking is not a confirmed one of this event.
    """
    field, undo = f"checkIns.{local_id}", f"undoneCheckIns.{local_id}"
    where: Query = {
        "_id": booking_id,
        "eventId": event_id,
        "status": "confirmed",
        f"{field}.at": check_in["at"],
        f"{field}.scannedAt": check_in["scannedAt"],
    }
    scans = [check_in["scannedAt"]] if check_in["scannedAt"] else []
    update: Query = {
        "$unset": {field: ""},
        "$set": {f"{undo}.at": now},
        "$addToSet": {f"{undo}.scans": {"$each": scans}},
    }
    updated: StoredBooking | None = retry_on_write_conflict(
        lambda: _bookings(db).find_one_and_update(
            where, update, return_document=ReturnDocument.AFTER
        )
    )
    return updated


def find_confirmed(
    db: Db,
    event_id: int,
    *,
    after: tuple[datetime, ObjectId] | None,
    limit: int,
    is_inclusive: bool = False,
    where: Query | None = None,
) -> list[TicketedBooking]:
    """Return confirmed bookings of an event, newest first.

    Args:
        after: the `createdAt` and `_id` of the last booking of the previous batch.
        is_inclusive: whether to begin with that booking instead of the next one.
        where: a further condition.
    """
    where = {**(where or {}), "eventId": event_id, "status": "confirmed"}
    if after:
        created, booking_id = after
        operator = "$lte" if is_inclusive else "$lt"
        older = [{"createdAt": {"$lt": created}}, {"_id": {operator: booking_id}}]
        where = {"$and": [where, {"createdAt": {"$lte": created}}, {"$or": older}]}
    found = db.bookings.find(where, TICKETED_BOOKING_FIELDS).sort(NEWEST_FIRST).limit(limit)
    return cast(list[TicketedBooking], list(found))


def find_checked_in(db: Db, user_id: ObjectId) -> list[CheckedInBooking]:
    """Return the user's bookings that have had a check-in, newest first."""
    where = {"userId": user_id, "checkIns": {"$exists": True}}
    fields = {"checkIns": 1, "undoneCheckIns": 1}
    return cast(
        list[CheckedInBooking], list(db.bookings.find(where, fields).sort("_id", DESCENDING))
    )
