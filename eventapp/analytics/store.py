"""Sums over bookings, and what is kept of them.

`dailySales` has a document for each UTC day and scope (`all`, or an organizer's id): for each
quarter of an hour the numbers of a rules.Tally. `eventSales` has one for each event, `eventDays`
(see `store_parts`) more of each. The job keeps them; `salesMarker` says up to when all changes of
bookings are in them.

Each run of the job has a higher number, kept with what it writes: an older run that was asleep
never overwrites what a later one counted.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pymongo
from bson import ObjectId
from pymongo import ASCENDING, IndexModel, ReturnDocument, UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError

from eventapp.core.database import Db, Document

ALL, MARKER = "all", "bookings"
INDEXES = {
    "bookings": [
        IndexModel([("createdAt", ASCENDING)], name="created"),
        IndexModel([("updatedAt", ASCENDING)], name="updated"),
    ],
    "dailySales": [IndexModel([("scope", ASCENDING), ("day", ASCENDING)], name="scope_day")],
    "eventSales": [IndexModel([("organizerId", ASCENDING)], name="organizer")],
    "eventDays": [IndexModel([("eventId", ASCENDING)], name="event")],
}
STATUSES = ["confirmed", "held", "cancelled", "expired"]
SPANS_AT_ONCE, WRITES_AT_ONCE = 50, 500
DUPLICATE_KEY = 11000
# Nobody waits for the job.
PATIENCE_SECONDS = 120
SUMS = {
    "bookings": {"$sum": 1},
    "tickets": {"$sum": "$quantity"},
    "cents": {"$sum": "$totalCents"},
}
MINUTE = {"$dateToString": {"format": "%Y-%m-%dT%H:%M", "date": "$createdAt"}}
DAY = {"$dateToString": {"format": "%Y-%m-%d", "date": "$createdAt"}}


def grouped(db: Db, where: Document, key: Document) -> list[Document]:
    """Sums of the bookings by `key` and status; what only keeps an id free is no booking."""
    stages: list[Document] = [
        {"$match": {**where, "status": {"$in": STATUSES}}},
        {"$group": {"_id": {**key, "status": "$status"}, **SUMS}},
    ]
    return [{**row.pop("_id"), **row} for row in db.bookings.aggregate(stages)]


def by_minute(
    db: Db, spans: Sequence[tuple[datetime, datetime]], organizer_id: ObjectId | None = None
) -> list[Document]:
    """Sums of what was made in these times.

    Returns:
        `{minute, organizer, status, bookings, tickets, cents}`.

    Args:
        organizer_id: only of this organizer's events.
    """
    owner = {"organizerId": organizer_id} if organizer_id else {}
    rows: list[Document] = []
    for start in range(0, len(spans), SPANS_AT_ONCE):
        times = [{"createdAt": {"$gte": a, "$lt": b}} for a, b in spans[start:][:SPANS_AT_ONCE]]
        when = times[0] if len(times) == 1 else {"$or": times}
        key = {"minute": MINUTE, "organizer": "$organizerId"}
        rows += grouped(db, {**owner, **when}, key)
    return rows


def by_event(db: Db, organizer_id: ObjectId | None = None) -> list[Document]:
    """Sums by event: `{event, status, bookings, tickets, cents}`."""
    where = {"organizerId": organizer_id} if organizer_id else {}
    return grouped(db, where, {"event": "$eventId"})


def first_and_last(db: Db) -> tuple[datetime, datetime] | None:
    """When the first and the last booking were made; None where there is none."""
    found = [
        db.bookings.find_one(
            {"createdAt": {"$exists": True}}, {"createdAt": 1}, sort=[("createdAt", direction)]
        )
        for direction in (1, -1)
    ]
    return (found[0]["createdAt"], found[1]["createdAt"]) if found[0] and found[1] else None


def changed_since(
    db: Db,
    moment: datetime,
    organizer_id: ObjectId | None = None,
    event_id: int | None = None,
) -> list[Document]:
    """`{createdAt, eventId}` of what was made or changed at that time or later."""
    where: Document = {"updatedAt": {"$gte": moment}, "status": {"$in": STATUSES}}
    if organizer_id:
        where["organizerId"] = organizer_id
    if event_id is not None:
        where["eventId"] = event_id
    return list(db.bookings.find(where, {"_id": 0, "createdAt": 1, "eventId": 1}))


def booked_events(db: Db) -> list[int]:
    """The eventIds of all bookings."""
    ids = db.bookings.aggregate([{"$group": {"_id": "$eventId"}}])
    return sorted(row["_id"] for row in ids if row["_id"] is not None)


# What the job keeps.


def marker(db: Db) -> Document | None:
    found: Document | None = db.salesMarker.find_one({"_id": MARKER, "upTo": {"$exists": True}})
    return found


def begin_run(db: Db, now: datetime, lease: timedelta) -> Document | None:
    """The marker of a new run; None while another is at work, for as long as its lease lasts."""
    free = {"_id": MARKER, "busyUntil": {"$lte": now}}
    taken = {"$inc": {"run": 1}, "$set": {"busyUntil": now + lease}}
    for _attempt in range(2):
        begun: Document | None = db.salesMarker.find_one_and_update(
            free, taken, return_document=ReturnDocument.AFTER
        )
        if begun or not _first_marker(db, now):
            return begun
    return None


def _first_marker(db: Db, now: datetime) -> bool:
    try:
        db.salesMarker.insert_one({"_id": MARKER, "run": 0, "busyUntil": now})
    except DuplicateKeyError:
        return False
    return True


def hold_on(db: Db, run: int, until: datetime) -> None:
    """Lengthen the lease of a run that is still the last one."""
    db.salesMarker.update_one({"_id": MARKER, "run": run}, {"$max": {"busyUntil": until}})


def end_run(db: Db, run: int, up_to: datetime, now: datetime) -> None:
    """All changes before `up_to` are counted, unless a later run has begun meanwhile."""
    done = {"upTo": up_to, "busyUntil": now}
    db.salesMarker.update_one({"_id": MARKER, "run": run}, {"$set": done})


def keep(db: Db, collection: str, run: int, documents: Iterable[tuple[Document, Document]]) -> None:
    """Set the second of each pair in the document of the first's `_id`, unless a later run did."""
    writes = [
        UpdateOne(
            {"_id": named["_id"], "run": {"$lte": run}},
            {"$set": {**fields, "run": run}, "$setOnInsert": _but_id(named)},
            upsert=True,
        )
        for named, fields in documents
    ]
    for start in range(0, len(writes), WRITES_AT_ONCE):
        try:
            db[collection].bulk_write(writes[start : start + WRITES_AT_ONCE], ordered=False)
        except BulkWriteError as error:
            if {fault["code"] for fault in error.details["writeErrors"]} != {DUPLICATE_KEY}:
                raise


def _but_id(named: Document) -> Document:
    return {name: value for name, value in named.items() if name != "_id"}


def days(db: Db, scope: str, start: datetime, end: datetime) -> list[Document]:
    """The kept days of a scope from `start` to before `end`: `{day, slots: {number: numbers}}`."""
    where = {"scope": scope, "day": {"$gte": start, "$lt": end}}
    return list(db.dailySales.find(where, {"_id": 0, "day": 1, "slots": 1}))


def event_sales(db: Db, organizer_id: ObjectId | None = None) -> list[Document]:
    """The kept sums of events: `{_id: eventId, numbers}`."""
    where = {"organizerId": organizer_id} if organizer_id else {}
    return list(db.eventSales.find(where, {"numbers": 1}))


def without_hurry() -> Any:
    """A time in which operations may take as long as a job's may."""
    return pymongo.timeout(PATIENCE_SECONDS)
