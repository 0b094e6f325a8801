"""Check-ins, noted in the bookings they are of, and the key that tickets are signed with.

`checkIns: {<place>: {at, scannedAt?}}` of a booking is written by this feature alone, so that one
guarded write sees both that the booking is confirmed and that nobody came on the ticket before.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any

from bson import ObjectId
from pymongo import DESCENDING, ReturnDocument
from pymongo.errors import DuplicateKeyError

from eventapp.core.database import Db, Document, retry_on_write_conflict

TICKETS = "tickets"
# As the index event_newest of bookings has them.
NEWEST_FIRST = [("createdAt", DESCENDING), ("_id", DESCENDING)]
NEEDED = dict.fromkeys(("status", "items", "date", "createdAt", "checkIns"), 1)


def seed(db: Db, make: Callable[[], bytes], now: datetime) -> bytes:
    """The private key of tickets, made where there is none; of two at once, the first stored."""
    found: Document | None = db["keys"].find_one({"_id": TICKETS})
    if found:
        return bytes(found["seed"])
    key = {"_id": TICKETS, "seed": make(), "createdAt": now}
    with suppress(DuplicateKeyError):
        retry_on_write_conflict(lambda: db["keys"].insert_one(key))
    return seed(db, make, now)


def replace_seed(db: Db, new: bytes, now: datetime) -> None:
    """Set the private key of tickets, whether or not there is one."""
    fields = {"seed": new, "createdAt": now}
    retry_on_write_conflict(
        lambda: db["keys"].update_one({"_id": TICKETS}, {"$set": fields}, upsert=True)
    )


def booking(db: Db, booking_id: ObjectId) -> Document | None:
    found: Document | None = db.bookings.find_one({"_id": booking_id, "void": {"$ne": True}})
    return found


def check_in(
    db: Db, booking_id: ObjectId, place: str, *, event_id: int, note: dict[str, Any]
) -> Document | None:
    """Note a check-in, in one guarded write.

    Returns:
        The booking after it; None, with nothing written, where the seat is checked in already or
        the booking is not a confirmed one of this event.
    """
    field = f"checkIns.{place}"
    where = {
        "_id": booking_id,
        "eventId": event_id,
        "status": "confirmed",
        field: {"$exists": False},
    }
    return retry_on_write_conflict(
        lambda: db.bookings.find_one_and_update(
            where, {"$set": {field: note}}, return_document=ReturnDocument.AFTER
        )
    )


def confirmed(
    db: Db, event_id: int, *, after: tuple[datetime, ObjectId] | None, limit: int
) -> list[Document]:
    """Confirmed bookings of the event, newest first, from the one after this place on."""
    where: Document = {"eventId": event_id, "status": "confirmed"}
    if after:
        created, booking_id = after
        older = [{"createdAt": {"$lt": created}}, {"_id": {"$lt": booking_id}}]
        where = {"$and": [where, {"createdAt": {"$lte": created}}, {"$or": older}]}
    return list(db.bookings.find(where, NEEDED).sort(NEWEST_FIRST).limit(limit))


def checked_in_of(db: Db, user_id: ObjectId) -> list[Document]:
    """The user's bookings with a check-in."""
    where = {"userId": user_id, "checkIns": {"$exists": True}}
    return list(db.bookings.find(where, {"checkIns": 1}))
