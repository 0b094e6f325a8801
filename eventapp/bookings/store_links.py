"""Read and write the fields of `bookings` on which the links of bookings depend."""

from typing import cast

from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.collection import Collection

from eventapp.bookings.store import NO_TOMBSTONE
from eventapp.bookings.types import LinkedBooking, StoredBooking
from eventapp.core.database import Db, Query

_FIELDS = {"userId": 1, "linkVersion": 1}


def find_by_reference(db: Db, reference: str) -> LinkedBooking | None:
    """Return what the link of the booking with this reference depends on."""
    return _find_one(db, {"bookingReference": reference})


def find(db: Db, booking_id: ObjectId) -> LinkedBooking | None:
    """Return what the link of the booking with this id depends on."""
    return _find_one(db, {"_id": booking_id})


def _find_one(db: Db, where: Query) -> LinkedBooking | None:
    found = db.bookings.find_one({**where, **NO_TOMBSTONE}, _FIELDS)
    return cast(LinkedBooking | None, found)


def replace_link(db: Db, booking_id: ObjectId, user_id: ObjectId) -> StoredBooking | None:
    """Raise the version of the link of a booking, so that the present link ends.

    Returns:
        The booking after the write. None, with nothing written, if it is not the user's.
    """
    where = {"_id": booking_id, "userId": user_id}
    return cast(Collection[StoredBooking], db.bookings).find_one_and_update(
        where, {"$inc": {"linkVersion": 1}}, return_document=ReturnDocument.AFTER
    )
