"""Replace the copies that bookings store of their schedule entries."""

from collections.abc import Iterable

from pymongo import UpdateOne

from eventapp.bookings.types import StoredBooking
from eventapp.core.database import Db, Query


def replace_copies(db: Db, copies: Iterable[tuple[StoredBooking, Query]]) -> int:
    """Replace the copies of active bookings that are older than the new ones.

    A copy is older if its entry had been moved less often. So the copies of two processes may be
    written in any order, and none is written to a booking that has ended.

    Args:
        copies: each booking with the fields of its new copy.

    Returns:
        How many bookings were changed.
    """
    updates = [
        UpdateOne(
            {
                "_id": booking["_id"],
                "active": True,
                "scheduleId": fields["scheduleId"],
                "copiedMoves": {"$lt": fields["copiedMoves"]},
            },
            {"$set": fields},
        )
        for booking, fields in copies
    ]
    return db.bookings.bulk_write(updates, ordered=False).modified_count if updates else 0
