"""Sum up the bookings of a period for a report, and record which periods are reported."""

from contextlib import suppress
from datetime import datetime
from typing import cast

from pymongo import ASCENDING, IndexModel
from pymongo.errors import DuplicateKeyError

from eventapp.bookings.types import SalesSum
from eventapp.core.database import Db

REPORT_PERIOD_SECONDS = 60 * 86400
INDEXES = {
    "reportPeriods": [
        IndexModel(
            [("reportedAt", ASCENDING)], name="old", expireAfterSeconds=REPORT_PERIOD_SECONDS
        )
    ],
}


def sum_sales(db: Db, event_ids: list[int], since: datetime, until: datetime) -> list[SalesSum]:
    """Return the bookings made from `since` to before `until`, summed by event and status.

    Held bookings are not counted, because they may still be confirmed or expire.
    """
    made = {"eventId": {"$in": event_ids}, "createdAt": {"$gte": since, "$lt": until}}
    group = {
        "_id": {"event": "$eventId", "status": "$status"},
        "bookings": {"$sum": 1},
        "tickets": {"$sum": "$quantity"},
        "cents": {"$sum": "$totalCents"},
    }
    decided = {"status": {"$in": ["confirmed", "cancelled", "expired"]}}
    rows = db.bookings.aggregate([{"$match": {**made, **decided}}, {"$group": group}])
    return cast(list[SalesSum], list(rows))


def is_period_reported(db: Db, period_key: str) -> bool:
    """Return whether all reports of this period are written."""
    return db.reportPeriods.find_one({"_id": period_key}) is not None


def record_period_reported(db: Db, period_key: str, now: datetime) -> None:
    """Record that all reports of this period are written."""
    with suppress(DuplicateKeyError):  # Another worker has recorded it.
        db.reportPeriods.insert_one({"_id": period_key, "reportedAt": now})
