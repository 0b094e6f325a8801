"""Read and write the collection `receipts`, and number receipts without gaps.

A receipt is one document, stored by one insert together with its number. So a number is used by
exactly the receipt that has it, also if a process dies. Nothing deletes a receipt.
"""

import random
import time
from collections.abc import Iterable, Sequence
from typing import cast

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.collection import Collection
from pymongo.read_concern import ReadConcern

from eventapp.core.database import (
    Db,
    insert_in_order,
    make_unknown_outcome_error,
    retry_on_write_conflict,
)
from eventapp.receipts.types import NewReceipt, ReceiptId, ReceiptNumber, StoredReceipt

INDEXES = {
    "receipts": [
        IndexModel(
            [("organizerId", ASCENDING), ("year", ASCENDING), ("number", ASCENDING)],
            name="number",
            unique=True,
        ),
        IndexModel([("userId", ASCENDING)], name="user"),
    ]
}
# How often receipts are numbered anew because other processes have stored some at the same moment.
MAX_ATTEMPTS = 50
# The longest random pause before the second attempt, and before any later one, in seconds.
FIRST_PAUSE, LONGEST_PAUSE = 0.01, 0.1


def _receipts(db: Db) -> Collection[StoredReceipt]:
    """Return the collection. It is read with majority read concern.

    A receipt that a failover rolls back must not be shown, because its number becomes free again.
    """
    return cast(
        Collection[StoredReceipt], db.receipts.with_options(read_concern=ReadConcern("majority"))
    )


def find_receipt(db: Db, booking_id: ObjectId) -> StoredReceipt | None:
    """Return the receipt of a booking; None if none was issued."""
    return _receipts(db).find_one({"_id": booking_id})


def find_receipts(db: Db, booking_ids: Iterable[ObjectId]) -> dict[ObjectId, StoredReceipt]:
    """Return the receipts of bookings by the ids of the bookings, except those not issued."""
    found = _receipts(db).find({"_id": {"$in": list(booking_ids)}})
    return {receipt["_id"]: receipt for receipt in found}


def find_receipts_of_user(db: Db, user_id: ObjectId) -> list[StoredReceipt]:
    """Return the receipts of a user's bookings, oldest first."""
    return list(_receipts(db).find({"userId": user_id}).sort("_id", ASCENDING))


def append_receipts(db: Db, receipts: Sequence[NewReceipt]) -> None:
    """Store receipts of one organizer and year, except those of bookings that have one.

    Each gets the number that follows the highest one. If another process stores receipts of the
    organizer at the same moment, the unique index refuses the number that both have chosen. The
    refused process waits for a short random time and reads the highest number again. Receipts are
    stored in the order of their numbers, so the numbers are always those from 1 to the highest.

    Raises:
        AutoReconnect: other processes stored receipts at each attempt, or those that they have
            stored are not visible yet. Some of the receipts may have been stored.
    """
    for attempt in range(MAX_ATTEMPTS):
        missing = _leave_out_existing(db, receipts)
        if not missing:
            return
        first = _find_highest_number(db, missing[0]) + 1
        numbered = [
            cast(StoredReceipt, {**receipt, "number": number})
            for number, receipt in enumerate(missing, start=first)
        ]
        if insert_in_order(_receipts(db), numbered):
            return
        time.sleep(random.uniform(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2**attempt)))
    raise make_unknown_outcome_error("receipts")


def _leave_out_existing(db: Db, receipts: Sequence[NewReceipt]) -> list[NewReceipt]:
    """Return one new receipt for each booking that has none."""
    by_booking = {receipt["_id"]: receipt for receipt in receipts}
    query = {"_id": {"$in": list(by_booking)}}
    found = cast(Iterable[ReceiptId], _receipts(db).find(query, {"_id": 1}))
    existing = {receipt["_id"] for receipt in found}
    return [receipt for id_, receipt in by_booking.items() if id_ not in existing]


def _find_highest_number(db: Db, receipt: NewReceipt) -> int:
    """Return the highest number of the receipt's organizer and year, 0 if there is none."""
    of_organizer = {"organizerId": receipt["organizerId"], "year": receipt["year"]}
    last = _receipts(db).find_one(
        of_organizer, {"_id": 0, "number": 1}, sort=[("number", DESCENDING)]
    )
    return cast(ReceiptNumber, last)["number"] if last else 0


def set_buyer(db: Db, booking_id: ObjectId, user_id: ObjectId, name: str | None) -> None:
    """Store the holder's name in a receipt that has none, unless the holder was removed from it.

    Args:
        name: None if the holder's account is deleted. Then the holder is removed.
    """
    unnamed = {"_id": booking_id, "userId": user_id, "buyer": {"$exists": False}}
    fields = {"buyer": name} if name is not None else {"buyer": None, "userId": None}
    retry_on_write_conflict(lambda: db.receipts.update_one(unnamed, {"$set": fields}))


def forget_user(db: Db, user_id: ObjectId) -> None:
    """Remove a holder and the holder's name from their receipts."""
    forgotten = {"$set": {"userId": None, "buyer": None}}
    retry_on_write_conflict(lambda: db.receipts.update_many({"userId": user_id}, forgotten))
