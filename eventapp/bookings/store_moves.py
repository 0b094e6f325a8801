"""Store refunds and pending stock moves of bookings.

`restock: "due"` means that the stock move in `due` is pending: the booking was confirmed, has lost
tickets or has ended, and it is not yet recorded that the event's stock has changed accordingly. A
booking with a pending move does not change again until the move is recorded as applied
(`restock: "done"`).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import cast

from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.collection import Collection

from eventapp.bookings.ledger.store import build_update
from eventapp.bookings.ledger.types import LedgerEntry
from eventapp.bookings.types import BookingWithMoveKey, ChangeReason, Refund, StoredBooking
from eventapp.core.database import Db, Query


def _bookings(db: Db) -> Collection[StoredBooking]:
    return cast(Collection[StoredBooking], db.bookings)


def build_pending_move_fields(
    key: str,
    changes: Mapping[int, Mapping[str, int]],
    reason: ChangeReason,
    promo_code: str | None = None,
) -> Query:
    """Return the fields that add a pending stock move to a booking. They are set with its change.

    Args:
        key: the key of the move's in-flight entry.
        changes: what to add to the counters of each ticket type, by ticketTypeId.
        reason: why the booking changes: see `ChangeReason`.
        promo_code: the folded promo code of which the move gives back a use; None for none.
    """
    pairs = [[type_id, dict(counters)] for type_id, counters in changes.items()]
    due: Query = {"key": key, "changes": pairs, "reason": reason}
    if promo_code:
        due["code"] = promo_code
    return {"restock": "due", "due": due}


def find_bookings_with_pending_moves(
    db: Db, booking_ids: Sequence[ObjectId]
) -> list[StoredBooking]:
    """Return the given bookings that have a pending stock move."""
    return list(_bookings(db).find({"_id": {"$in": booking_ids}, "restock": "due"}))


def find_pending_move_keys(db: Db, booking_ids: Sequence[ObjectId]) -> set[str]:
    """Return the keys of the pending stock moves of these bookings."""
    pending = {"_id": {"$in": booking_ids}, "restock": "due"}
    found = cast(Iterable[BookingWithMoveKey], db.bookings.find(pending, {"due.key": 1}))
    return {booking["due"]["key"] for booking in found}


def record_moves_applied(db: Db, booking_ids: Sequence[ObjectId], keys: Sequence[str]) -> None:
    """Record that the moves with these keys are applied.

    If a booking has a later move with another key by now, that move stays pending.
    """
    applied = {"_id": {"$in": booking_ids}, "due.key": {"$in": keys}}
    db.bookings.update_many(applied, {"$set": {"restock": "done"}})


def decide_refund(
    db: Db, booking_id: ObjectId, refund: Refund, entries: Sequence[LedgerEntry], now: datetime
) -> StoredBooking | None:
    """Store the refund of an ended booking that has none yet, to be paid.

    Args:
        entries: added to the booking.

    Returns:
        The booking after the update; None, with nothing written, if it has a refund or is active.
    """
    return _bookings(db).find_one_and_update(
        {"_id": booking_id, "active": False, "refund": None},
        build_update({"refund": refund, "refundDueAt": now}, entries),
        return_document=ReturnDocument.AFTER,
    )


def set_refund_due(db: Db, booking_id: ObjectId, now: datetime) -> None:
    """Let the worker look after the refund of an ended booking."""
    ended = {"_id": booking_id, "active": False, "refundDueAt": {"$exists": False}}
    db.bookings.update_one(ended, {"$set": {"refundDueAt": now}})


def clear_refund_due(db: Db, booking: StoredBooking) -> None:
    """Record that nothing more is to be paid back for a booking.

    Nothing is written if the booking has got another refund since it was read.
    """
    count = len(booking.get("cancellations", []))
    unchanged = {"status": booking["status"], f"cancellations.{count}": {"$exists": False}}
    db.bookings.update_one({"_id": booking["_id"], **unchanged}, {"$unset": {"refundDueAt": ""}})


def record_refund_paid(
    db: Db, booking_id: ObjectId, path: str, refund: Refund, entries: Sequence[LedgerEntry]
) -> None:
    """Store a refund that was paid, also while a move is pending.

    A refund that is recorded as paid already is left as it is.

    Args:
        path: where the refund is in the booking: see `ticket_places.UnpaidRefund`.
        entries: added to the booking.
    """
    unpaid = {"_id": booking_id, f"{path}.refundId": {"$exists": False}}
    db.bookings.update_one(unpaid, build_update({path: refund}, entries))
