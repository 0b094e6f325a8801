"""Store the pending stock moves of bookings.

`restock: "due"` means that the stock move in `due` is pending: the booking was confirmed, has lost
tickets or has ended, and it is not yet recorded that the event's stock has changed accordingly. A
booking with a pending move does not change again until the move is recorded as applied
(`restock: "done"`).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from bson import ObjectId
from pymongo.collection import Collection

from eventapp.bookings.types import BookingWithMoveKey, ChangeReason, StoredBooking
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
