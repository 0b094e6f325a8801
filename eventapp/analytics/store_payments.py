"""Find bookings by their payments, and the rows of the ledger that move money."""

from collections.abc import Iterable
from datetime import datetime
from typing import cast

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel

from eventapp.analytics.types import PAYMENT_STATES, MoneyBooking, PaidBooking
from eventapp.core.database import Db, Query

# Free bookings, and holds without an attempt, are not in this index.
PAYMENTS_INDEX = "payments"
INDEXES = {
    "bookings": [
        IndexModel(
            [("payment.state", ASCENDING), ("createdAt", DESCENDING), ("_id", DESCENDING)],
            name=PAYMENTS_INDEX,
            partialFilterExpression={"payment.state": {"$exists": True}},
        )
    ]
}
PAYMENT_FIELDS = (
    *("bookingReference", "eventId", "eventTitle", "organizerId", "userId", "status", "currency"),
    *("createdAt", "updatedAt", "payment", "refund", "cancellations"),
)
NEWEST_FIRST = [("createdAt", DESCENDING), ("_id", DESCENDING)]


def build_filter(
    *,
    state: str | None = None,
    provider: str | None = None,
    event_id: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Query:
    """Return the filter for bookings with a payment.

    Args:
        provider: the name of the provider of one of the attempts.
        since, until: when the booking was made; `until` is exclusive.
    """
    # With $in, a server takes the rows of each state from the index in order, and merges them.
    where: Query = {"payment.state": state or {"$in": list(PAYMENT_STATES)}}
    if provider is not None:
        where["payment.attempts.provider"] = provider
    if event_id is not None:
        where["eventId"] = event_id
    created = {"$gte": since, "$lt": until}
    if limits := {name: moment for name, moment in created.items() if moment is not None}:
        where["createdAt"] = limits
    return where


def _choose_index(where: Query) -> str | None:
    """Return the name of the index to use. An event has an index for its own bookings."""
    return None if "eventId" in where else PAYMENTS_INDEX


def count_payments(db: Db, where: Query, *, up_to: int) -> int:
    """Return how many payments match a filter, but at most `up_to`."""
    if hint := _choose_index(where):
        return db.bookings.count_documents(where, limit=up_to, hint=hint)
    return db.bookings.count_documents(where, limit=up_to)


def find_payments(
    db: Db, where: Query, after: tuple[datetime, ObjectId] | None, skip: int, limit: int
) -> list[PaidBooking]:
    """Return the payments that match a filter, those of the newest bookings first.

    Args:
        after: the `createdAt` and `_id` of the booking before; None to begin with the newest.
    """
    hint = _choose_index(where)
    if after:
        created_at, booking_id = after
        older = [{"createdAt": {"$lt": created_at}}, {"_id": {"$lt": booking_id}}]
        where = {"$and": [where, {"createdAt": {"$lte": created_at}}, {"$or": older}]}
    found = db.bookings.find(where, PAYMENT_FIELDS, hint=hint)
    return cast(list[PaidBooking], list(found.sort(NEWEST_FIRST).skip(skip).limit(limit)))


def find_payment(db: Db, booking_id: ObjectId) -> PaidBooking | None:
    """Return the payment of a booking; None if there is none."""
    where = {"_id": booking_id, "payment.state": {"$exists": True}}
    return cast(PaidBooking | None, db.bookings.find_one(where, PAYMENT_FIELDS))


def find_money_bookings(db: Db, booking_ids: Iterable[ObjectId]) -> dict[ObjectId, MoneyBooking]:
    """Return what a table of money shows of these bookings, by their ids."""
    fields = ("bookingReference", "eventTitle", "currency")
    found = db.bookings.find({"_id": {"$in": list(booking_ids)}}, fields)
    return {booking["_id"]: booking for booking in cast(Iterable[MoneyBooking], found)}
