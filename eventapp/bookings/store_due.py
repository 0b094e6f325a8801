"""Find bookings with work that is due: expired holds, moves, refunds, payments, notifications.

Every function returns the longest due first. `without` names the bookings whose last attempt failed
and whose next one is not due yet (see `eventapp.due_work`).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import cast

from pymongo import ASCENDING, UpdateOne
from pymongo.collection import Collection

from eventapp.bookings.types import StoredBooking
from eventapp.core.database import Db, Query, exclude_ids


def _find(db: Db, where: Query, due_field: str, limit: int) -> list[StoredBooking]:
    bookings = cast(Collection[StoredBooking], db.bookings)
    return list(bookings.find(where).sort(due_field, ASCENDING).limit(limit))


def find_expired_holds(
    db: Db, now: datetime, limit: int, without: Sequence[object] = ()
) -> list[StoredBooking]:
    """Return bookings that are still held after the end of their hold (`rules.is_open_hold`)."""
    expired = {"status": "held", "expiresAt": {"$lte": now}, **exclude_ids(without)}
    return _find(db, expired, "expiresAt", limit)


def find_moves_before(
    db: Db, before: datetime, limit: int, without: Sequence[object] = ()
) -> list[StoredBooking]:
    """Return bookings whose stock move has been pending since before this time."""
    old = {"restock": "due", "updatedAt": {"$lt": before}, **exclude_ids(without)}
    return _find(db, old, "updatedAt", limit)


def find_refunds_due(
    db: Db, now: datetime, limit: int, without: Sequence[object] = ()
) -> list[StoredBooking]:
    """Return bookings with a refund to pay."""
    due = {"refundDueAt": {"$lte": now}, **exclude_ids(without)}
    return _find(db, due, "refundDueAt", limit)


def find_payments_to_reconcile(
    db: Db, now: datetime, limit: int, without: Sequence[object] = ()
) -> list[StoredBooking]:
    """Return bookings with an attempt that the provider is to be asked about."""
    due = {"reconcileAt": {"$lte": now}, **exclude_ids(without)}
    return _find(db, due, "reconcileAt", limit)


def find_with_pending_notifications(
    db: Db, limit: int, without: Sequence[object] = ()
) -> list[StoredBooking]:
    """Return bookings with pending notifications."""
    pending = {"tellAt": {"$exists": True}, **exclude_ids(without)}
    return _find(db, pending, "tellAt", limit)


def clear_pending_notifications(db: Db, bookings: Iterable[StoredBooking]) -> None:
    """Clear the pending notifications of each booking if they are unchanged since the read."""
    clear = {"$unset": {"tell": "", "tellAt": ""}}
    unchanged = ({"_id": booking["_id"], "tell": booking["tell"]} for booking in bookings)
    if updates := [UpdateOne(where, clear) for where in unchanged]:
        db.bookings.bulk_write(updates, ordered=False)
