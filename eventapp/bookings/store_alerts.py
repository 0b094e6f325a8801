"""What holders are still to be told of their bookings.

`tell: {kind: when}` is written with the change it tells of, `tellAt` beside it keeps the booking
in the worker's sight until it is told.
"""

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime

from pymongo import ASCENDING, IndexModel, UpdateOne
from pymongo.errors import DuplicateKeyError

from eventapp.core.database import Db, Document

KEPT_SECONDS = 60 * 86400
INDEXES = {
    "bookings": [IndexModel([("tellAt", ASCENDING)], name="tell", sparse=True)],
    "reportPeriods": [
        IndexModel([("reportedAt", ASCENDING)], name="old", expireAfterSeconds=KEPT_SECONDS)
    ],
}


def untold(db: Db, limit: int) -> list[Document]:
    """Bookings with something to tell, the oldest first."""
    found = db.bookings.find({"tellAt": {"$exists": True}})
    return list(found.sort("tellAt", ASCENDING).limit(limit))


def told(db: Db, bookings: Iterable[Document]) -> None:
    """All that was noted when they were read is told; what came since stays noted."""
    gone = {"$unset": {"tell": "", "tellAt": ""}}
    as_read = ({"_id": booking["_id"], "tell": booking["tell"]} for booking in bookings)
    if writes := [UpdateOne(where, gone) for where in as_read]:
        db.bookings.bulk_write(writes, ordered=False)


def sums_of_events(
    db: Db, event_ids: list[int], since: datetime, until: datetime
) -> list[Document]:
    """Bookings made in a time by event: rows of `{_id: {event, status}, bookings, tickets, cents}`.

    Held ones are left out: nobody knows yet what becomes of them.
    """
    made = {"eventId": {"$in": event_ids}, "createdAt": {"$gte": since, "$lt": until}}
    group = {
        "_id": {"event": "$eventId", "status": "$status"},
        "bookings": {"$sum": 1},
        "tickets": {"$sum": "$quantity"},
        "cents": {"$sum": "$totalCents"},
    }
    ended = {"status": {"$in": ["confirmed", "cancelled", "expired"]}}
    return list(db.bookings.aggregate([{"$match": {**made, **ended}}, {"$group": group}]))


def is_reported(db: Db, period: str) -> bool:
    return db.reportPeriods.find_one({"_id": period}) is not None


def reported(db: Db, period: str, now: datetime) -> None:
    """All reports of this period are written."""
    with suppress(DuplicateKeyError):  # by another worker too
        db.reportPeriods.insert_one({"_id": period, "reportedAt": now})
