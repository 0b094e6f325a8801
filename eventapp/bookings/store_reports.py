"""Sum up the ledger for reports, and record which periods are reported."""

from contextlib import suppress
from datetime import datetime
from typing import cast

from pymongo import DESCENDING
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from eventapp.bookings.ledger.types import LedgerSum, StoredReportPeriod
from eventapp.bookings.types import BookingTitle, SalesSum
from eventapp.core.database import Db, Query

# The kinds of entries that say nothing of sales or money.
UNREPORTED = ["opening", "checked_in"]


def _periods(db: Db) -> Collection[StoredReportPeriod]:
    return cast(Collection[StoredReportPeriod], db.reportPeriods)


def find_last_period(db: Db, name: str, before: str | None = None) -> StoredReportPeriod | None:
    """Return the last recorded day or week; None if there is none.

    Args:
        name: `daily` or `weekly`.
        before: the key of a period; the one returned is an earlier one.
    """
    # The first character after the colon is a digit, and "~" follows all digits.
    where = {"_id": {"$gt": f"{name}:", "$lt": before or f"{name}:~"}}
    return _periods(db).find_one(where, sort=[("_id", DESCENDING)])


def begin_period(db: Db, period: StoredReportPeriod) -> StoredReportPeriod:
    """Record that the reports of a period are being written.

    Returns:
        What is recorded: `period`, or what another worker has recorded before.
    """
    with suppress(DuplicateKeyError):
        _periods(db).insert_one(period)
    return _periods(db).find_one({"_id": period["_id"]}) or period


def finish_period(db: Db, key: str, now: datetime) -> None:
    """Record that all reports of this period are written."""
    db.reportPeriods.update_one({"_id": key}, {"$set": {"finishedAt": now}})


def delete_periods_before(db: Db, name: str, key: str) -> None:
    """Delete the records of days or weeks before the one with this key."""
    db.reportPeriods.delete_many({"_id": {"$gt": f"{name}:", "$lt": key}})


def sum_ledger(db: Db, period: StoredReportPeriod, until: datetime) -> list[LedgerSum]:
    """Return sums of the rows of a period by event, organizer and kind.

    There may be two sums with the same key.

    Args:
        until: the end of the period.
    """
    is_late = {
        "number": {"$gt": period["after"], "$lte": period["upTo"]},
        "at": {"$lt": until},
        "kind": {"$nin": UNREPORTED},
    }
    is_in_time = {
        "at": {"$gte": period["since"], "$lt": until},
        "$or": [
            {"number": {"$lte": period["after"]}},
            {"number": {"$lte": period["upTo"]}, "kind": "opening"},
        ],
    }
    return _sum_rows(db, is_late, "number") + _sum_rows(db, is_in_time, "at")


def _sum_positive(cents: object) -> Query:
    """Return the expression of a group that sums up the positive values of an expression."""
    return {"$sum": {"$cond": [{"$gt": [cents, 0]}, cents, 0]}}


def _sum_rows(db: Db, where: Query, index: str) -> list[LedgerSum]:
    key = {"event": "$eventId", "organizer": "$organizerId", "kind": "$kind"}
    sums = {
        "rows": {"$sum": 1},
        "bookings": {"$sum": "$bookings"},
        "tickets": {"$sum": "$sold"},
        "cents": {"$sum": "$cents"},
        "discount": {"$sum": "$discount"},
        "charged": _sum_positive("$paid"),
        "refunded": _sum_positive({"$subtract": [0, "$paid"]}),
        "fees": {"$sum": "$fee"},
    }
    stages = [{"$match": where}, {"$group": {"_id": key, **sums}}]
    rows = db.ledger.aggregate(stages, hint=index)
    return cast(list[LedgerSum], [{**row.pop("_id"), **row} for row in rows])


def sum_bookings_without_entries(db: Db, since: datetime, until: datetime) -> list[SalesSum]:
    """Return sums of the bookings of older versions by event, organizer and status.

    Held bookings are not counted, because they may still be confirmed or expire.

    Args:
        since, until: the time in which they were made; `until` is exclusive.
    """
    where = {
        "createdAt": {"$gte": since, "$lt": until},
        "entries": {"$exists": False},
        "status": {"$in": ["confirmed", "cancelled", "expired"]},
    }
    key = {"event": "$eventId", "organizer": "$organizerId", "status": "$status"}
    sums = {
        "bookings": {"$sum": 1},
        "tickets": {"$sum": "$quantity"},
        "cents": {"$sum": "$totalCents"},
        "discount": {"$sum": "$discountCents"},
    }
    rows = db.bookings.aggregate([{"$match": where}, {"$group": {"_id": key, **sums}}])
    return cast(list[SalesSum], [{**row.pop("_id"), **row} for row in rows])


def find_booked_title(db: Db, event_id: int) -> str:
    """Return the title that an event had when it was booked."""
    booking = cast(
        BookingTitle | None, db.bookings.find_one({"eventId": event_id}, {"eventTitle": 1})
    )
    return booking["eventTitle"] if booking else f"Event {event_id}"
