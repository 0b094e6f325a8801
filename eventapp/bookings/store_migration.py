"""Find the bookings of an older schema version, and write what the new one adds."""

from collections.abc import Iterable, Sequence
from typing import cast

from bson import ObjectId
from pymongo import ASCENDING, UpdateOne

from eventapp.bookings.types import StoredBooking, UnmigratedBooking
from eventapp.core.database import Db, Query

_FIELDS = dict.fromkeys(("eventId", "date", "location", "active"), 1)


def find_unmigrated(
    db: Db, after: ObjectId | None, limit: int, without: Sequence[object] = ()
) -> list[UnmigratedBooking]:
    """Return the next bookings after this id without the id of a schedule entry, in order of ids.

    Args:
        after: None to begin with the first booking.
        without: the ids of bookings to leave out.
    """
    ids: Query = {"$nin": list(without)} if without else {}
    if after is not None:
        ids["$gt"] = after
    where: Query = {"scheduleId": {"$exists": False}, "void": {"$ne": True}}
    if ids:
        where["_id"] = ids
    found = db.bookings.find(where, _FIELDS).sort("_id", ASCENDING).limit(limit)
    return cast(list[UnmigratedBooking], list(found))


def write_if_unmigrated(db: Db, changes: Iterable[tuple[UnmigratedBooking, Query]]) -> int:
    """Set the fields of the bookings that have no id of a schedule entry; return how many.

    A booking that has ended since it was read is left as it is.
    """
    writes = [
        UpdateOne(
            {
                "_id": booking["_id"],
                "active": booking["active"],
                "scheduleId": {"$exists": False},
            },
            {"$set": fields},
        )
        for booking, fields in changes
    ]
    return db.bookings.bulk_write(writes, ordered=False).modified_count if writes else 0


def find_old_payments(
    db: Db, after: ObjectId | None, limit: int, without: Sequence[object] = ()
) -> list[StoredBooking]:
    """Return the next bookings after this id that were paid or tried to be, in order of ids.

    Their payment has the form of schema version 3, or is absent.

    Args:
        after: None to begin with the first booking.
        without: the ids of bookings to leave out.
    """
    ids: Query = {"$nin": list(without)} if without else {}
    if after is not None:
        ids["$gt"] = after
    confirmed = {"status": "confirmed", "totalCents": {"$gt": 0}}
    paid = [{"payment": {"$exists": True}}, confirmed, {"refund.amount": {"$gt": 0}}]
    where: Query = {"payment.revision": {"$exists": False}, "$or": paid}
    if ids:
        where["_id"] = ids
    found = db.bookings.find(where).sort("_id", ASCENDING).limit(limit)
    return cast(list[StoredBooking], list(found))


def write_payments(db: Db, changes: Iterable[tuple[StoredBooking, Query, Query | None]]) -> int:
    """Set the payment fields of bookings that have none of version 4; return how many.

    Args:
        changes: each booking as it was read, its fields, and its first entry for the ledger; None
            if it has entries.
    """
    writes = []
    for booking, fields, entry in changes:
        update: Query = {"$set": fields}
        if entry:
            update = {"$set": {**fields, "ledgerDue": True}, "$push": {"entries": entry}}
        where: Query = {
            "_id": booking["_id"],
            "status": booking["status"],
            "payment.revision": {"$exists": False},
        }
        if entry:
            where["entries.0"] = {"$exists": False}
        writes.append(UpdateOne(where, update))
    return db.bookings.bulk_write(writes, ordered=False).modified_count if writes else 0
