"""Read what the bookings of events require of the stock, each booking at one moment.

A booking changes its status and gets a pending stock move in one write. So an audit must read both
at once, and must read each booking only once. `bookings.stock_audit` says why that is enough.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from bson import ObjectId

from eventapp.bookings.types import CodeSum, PendingMove, StoredBooking, TicketSum
from eventapp.core.database import Db, Query

# The index that a sum is read by. Its keys never change, so a booking that changes while the index
# is scanned is neither missed nor met twice. An index that contains `active` or `restock` would
# allow both.
SCANNED_INDEX = "event_newest"


def sum_tickets(
    db: Db, event_ids: Sequence[int], excluded_ids: Sequence[ObjectId]
) -> list[TicketSum]:
    """Return the tickets of bookings that are active or have a pending stock move.

    Args:
        excluded_ids: bookings that are not summed.
    """
    counted = {"$or": [{"active": True}, {"restock": "due"}], "_id": {"$nin": list(excluded_ids)}}
    is_pending = {"$eq": ["$restock", "due"]}
    stages: list[Query] = [
        {"$match": {"eventId": {"$in": list(event_ids)}, **counted}},
        {"$unwind": "$items"},
        {
            "$group": {
                "_id": {
                    "event": "$eventId",
                    "schedule": {"$ifNull": ["$scheduleId", 0]},
                    "type": "$items.ticketTypeId",
                    "status": "$status",
                    "moveKey": {"$cond": [is_pending, "$due.key", None]},
                },
                "quantity": {"$sum": "$items.quantity"},
                "move": {"$first": "$due"},
            }
        },
    ]
    rows = db.bookings.aggregate(stages, hint=SCANNED_INDEX)
    return [_make_sum(row) for row in cast(Iterable[Mapping[str, object]], rows)]


def _make_sum(row: Mapping[str, object]) -> TicketSum:
    group = cast(dict[str, object], row["_id"])
    move = cast(PendingMove | None, row["move"]) if group.pop("moveKey") else None
    return cast(TicketSum, {**group, "quantity": row["quantity"], "move": move})


def sum_code_uses(
    db: Db, event_ids: Sequence[int], excluded_ids: Sequence[ObjectId]
) -> list[CodeSum]:
    """Return the bookings with a promo code that are active or have a pending stock move.

    Args:
        excluded_ids: bookings that are not summed.
    """
    counted = {"$or": [{"active": True}, {"restock": "due"}], "_id": {"$nin": list(excluded_ids)}}
    is_pending = {"$eq": ["$restock", "due"]}
    with_code = {"promoCode": {"$exists": True}}
    stages: list[Query] = [
        {"$match": {"eventId": {"$in": list(event_ids)}, **counted, **with_code}},
        {
            "$group": {
                "_id": {
                    "event": "$eventId",
                    "code": "$promoCode",
                    "moveKey": {"$cond": [is_pending, "$due.key", None]},
                },
                "bookings": {"$sum": {"$cond": ["$active", 1, 0]}},
                "move": {"$first": "$due"},
            }
        },
    ]
    rows = db.bookings.aggregate(stages, hint=SCANNED_INDEX)
    return [_make_code_sum(row) for row in cast(Iterable[Mapping[str, object]], rows)]


def _make_code_sum(row: Mapping[str, object]) -> CodeSum:
    group = cast(dict[str, object], row["_id"])
    move = cast(PendingMove | None, row["move"]) if group.pop("moveKey") else None
    return cast(CodeSum, {**group, "bookings": row["bookings"], "move": move})


def find_bookings(db: Db, booking_ids: Sequence[ObjectId]) -> list[StoredBooking]:
    """Return the bookings that are stored under these ids; tombstones are left out."""
    where = {"_id": {"$in": list(booking_ids)}, "void": {"$ne": True}}
    return cast(list[StoredBooking], list(db.bookings.find(where))) if booking_ids else []
