"""Store the payments of bookings, and what is to be done with their money.

The payment has a revision, which each write of it raises and guards on: see
`eventapp.payments.states`. The fields `refundDueAt` and `reconcileAt` let the worker find what is
to be done.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from pymongo import ASCENDING, IndexModel, ReturnDocument
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from eventapp.bookings.ledger.store import build_update
from eventapp.bookings.ledger.types import LedgerEntry
from eventapp.bookings.types import StoredBooking
from eventapp.core.database import Db, Query

INDEXES = {
    "bookings": [
        IndexModel([("refundDueAt", ASCENDING)], name="refund_due", sparse=True),
        IndexModel([("reconcileAt", ASCENDING)], name="reconcile_due", sparse=True),
    ],
}


def _bookings(db: Db) -> Collection[StoredBooking]:
    return cast(Collection[StoredBooking], db.bookings)


def build_payment_guard(booking: StoredBooking) -> Query:
    """Return the guard that the payment of a booking is as it was read, or still absent."""
    return {"payment.revision": booking["payment"]["revision"] if "payment" in booking else None}


def update_payment(
    db: Db,
    booking: StoredBooking,
    fields: Query,
    entries: Sequence[LedgerEntry] = (),
    *,
    where: Query | None = None,
    removed: Sequence[str] = (),
) -> StoredBooking | None:
    """Set the payment of a booking and what follows from it, also while a stock move is pending.

    Args:
        booking: as it was read.
        entries: added to the booking; needed if its money changes.
        where: further conditions.
        removed: fields to remove.

    Returns:
        The booking after the update; None, with nothing written, if its payment or its status has
        changed since it was read, or it does not match `where`.
    """
    unchanged = {"_id": booking["_id"], "status": booking["status"], **build_payment_guard(booking)}
    return _bookings(db).find_one_and_update(
        {**unchanged, **(where or {})},
        build_update(fields, entries, removed),
        return_document=ReturnDocument.AFTER,
    )


def reactivate(
    db: Db, booking: StoredBooking, fields: Query, entries: Sequence[LedgerEntry]
) -> StoredBooking | None:
    """Make an expired booking active again, if it and its payment are as they were read.

    Returns:
        The booking after the update; None, with nothing written, if it has changed, its last stock
        move is pending, or its holder has another active booking of the event.
    """
    where = {"restock": {"$ne": "due"}, "userId": booking["userId"]}
    try:
        return update_payment(db, booking, fields, entries, where=where)
    except DuplicateKeyError:
        return None


def clear_refund_due(db: Db, booking: StoredBooking) -> None:
    """Record that nothing is to be paid back, if the payment of a booking is as it was read."""
    where = {"_id": booking["_id"], **build_payment_guard(booking)}
    db.bookings.update_one(where, {"$unset": {"refundDueAt": ""}})


def set_reconcile_time(db: Db, booking: StoredBooking, at: datetime | None) -> None:
    """Set when the provider is asked about an attempt, if the payment is as it was read.

    Args:
        at: UTC; None if there is nothing to ask any more.
    """
    where = {"_id": booking["_id"], **build_payment_guard(booking)}
    update = {"$unset": {"reconcileAt": ""}} if at is None else {"$set": {"reconcileAt": at}}
    db.bookings.update_one(where, update)
