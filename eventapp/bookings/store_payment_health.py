"""Count bookings whose money waits for a payment provider, up to a limit."""

from datetime import datetime
from typing import cast

from pymongo import ASCENDING

from eventapp.core.database import Db, Query

OPEN_REFUND: Query = {"refundDueAt": {"$exists": True}}


def count_open_refunds(db: Db, up_to: int) -> int:
    """Return how many bookings have a refund that is to be paid."""
    return db.bookings.count_documents(OPEN_REFUND, limit=up_to)


def find_oldest_refund_time(db: Db) -> datetime | None:
    """Return since when the oldest refund is to be paid, in UTC; None without one."""
    oldest = [("refundDueAt", ASCENDING)]
    found = db.bookings.find_one(OPEN_REFUND, {"refundDueAt": 1}, sort=oldest)
    return cast(datetime, found["refundDueAt"]) if found else None


def count_unknown_payments(db: Db, up_to: int) -> int:
    """Return how many payments the provider has not answered for."""
    return db.bookings.count_documents({"payment.state": "unknown"}, limit=up_to)
