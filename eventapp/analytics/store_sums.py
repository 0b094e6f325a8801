"""Queries that sum up bookings, and that store and load the sums of the job `count-sales`.

types.py and sales_sums.py describe the stored sums, the state of the job and the checkpoint. Each
run of the job has a higher number, which is stored with everything that the run writes. The number
is a fencing token: a run that was suspended while its lease ended never overwrites the sums of a
later run.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import NamedTuple, cast

import pymongo
from bson import ObjectId
from pymongo import ASCENDING, IndexModel, ReturnDocument, UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError

from eventapp.analytics.types import (
    STATUSES,
    ChangedBooking,
    DaySums,
    EventDay,
    EventStatusSums,
    EventSums,
    EventTimeSums,
    MinuteSums,
    StoredJobState,
    TicketPriceSums,
    TimeRange,
)
from eventapp.core.database import Db, Document, Query, has_only_duplicates

ALL_ORGANIZERS, JOB_STATE_ID = "all", "bookings"
INDEXES = {
    "bookings": [IndexModel([("createdAt", ASCENDING)], name="created")],
    "dailySales": [IndexModel([("scope", ASCENDING), ("day", ASCENDING)], name="scope_day")],
    "eventSales": [IndexModel([("organizerId", ASCENDING)], name="organizer")],
    "eventDays": [IndexModel([("eventId", ASCENDING)], name="event")],
}
BOOKING_STATUSES = list(STATUSES)
RANGES_PER_QUERY, UPDATES_PER_WRITE = 50, 500
# No request waits for the job, so its operations may take longer than those of requests.
JOB_TIMEOUT_SECONDS = 120
# The expressions of a group of bookings that give the numbers of StatusSums.
SUMS: Query = {
    "bookings": {"$sum": 1},
    "tickets": {"$sum": "$quantity"},
    "cents": {"$sum": "$totalCents"},
    "discount": {"$sum": "$discountCents"},
}
# Granularities: expressions for the UTC minute or day on which a booking was made, as text.
MINUTE: Query = {"$dateToString": {"format": "%Y-%m-%dT%H:%M", "date": "$createdAt"}}
DAY: Query = {"$dateToString": {"format": "%Y-%m-%d", "date": "$createdAt"}}

# An eventId and the time range in which bookings were made, None for all bookings of the event.
EventTimeRange = tuple[int, TimeRange | None]


class Checkpoint(NamedTuple):
    """Up to where stored sums are complete.

    Attributes:
        number: a number of the ledger. The sums have all changes with this number or a lower one.
        time: UTC. The sums have all changes of events with this time or an earlier one, if they
            depend on events.
    """

    number: int
    time: datetime


class SumsDocument(NamedTuple):
    """A document of stored sums, as `save_sums` writes it.

    Attributes:
        identity: `_id` and the fields that never change. They are written only when the document
            is inserted.
        fields: the sums, by their names in an update.
    """

    identity: Query
    fields: Query


def build_organizer_filter(organizer_id: ObjectId | None) -> Query:
    """Return the filter for the events, bookings or sums of an organizer, or for all if None."""
    return {"organizerId": organizer_id} if organizer_id else {}


def _group_bookings(db: Db, where: Query, key: Query) -> list[Document]:
    """Return sums of the bookings, grouped by `key` and status.

    Tombstones, which have no status, are left out: see bookings/store.py.

    Returns:
        Rows with the names of `key`, `status`, and the names of SUMS.
    """
    stages: list[Query] = [
        {"$match": {**where, "status": {"$in": BOOKING_STATUSES}}},
        {"$group": {"_id": {**key, "status": "$status"}, **SUMS}},
    ]
    return [{**row.pop("_id"), **row} for row in db.bookings.aggregate(stages)]


def sum_by_minute(
    db: Db, ranges: Sequence[TimeRange], organizer_id: ObjectId | None = None
) -> list[MinuteSums]:
    """Return sums of the bookings that were made in these time ranges, by minute and organizer.

    Args:
        organizer_id: count only bookings of this organizer's events.
    """
    key = {"minute": MINUTE, "organizer": "$organizerId"}
    rows: list[Document] = []
    for first in range(0, len(ranges), RANGES_PER_QUERY):
        batch = ranges[first : first + RANGES_PER_QUERY]
        times = [{"createdAt": {"$gte": start, "$lt": end}} for start, end in batch]
        created = times[0] if len(times) == 1 else {"$or": times}
        rows += _group_bookings(db, {**build_organizer_filter(organizer_id), **created}, key)
    return cast(list[MinuteSums], rows)


def sum_by_event(
    db: Db, organizer_id: ObjectId | None = None, event_ids: Sequence[int] | None = None
) -> list[EventStatusSums]:
    """Return sums of the bookings of all events, an organizer's or these events, by event."""
    where = build_organizer_filter(organizer_id)
    if event_ids is not None:
        where["eventId"] = {"$in": list(event_ids)}
    rows = _group_bookings(db, where, {"event": "$eventId"})
    return cast(list[EventStatusSums], rows)


def sum_by_event_and_time(
    db: Db, ranges: Sequence[EventTimeRange], granularity: Query
) -> list[EventTimeSums]:
    """Return sums of the bookings of these events and time ranges, by event and minute or day.

    Args:
        granularity: MINUTE or DAY.
    """
    key = {"event": "$eventId", "organizer": "$organizerId", "time": granularity}
    rows = [row for where in _iter_event_filters(ranges) for row in _group_bookings(db, where, key)]
    return cast(list[EventTimeSums], rows)


def count_tickets_by_price(
    db: Db, ranges: Sequence[EventTimeRange], granularity: Query
) -> list[TicketPriceSums]:
    """Return the numbers of confirmed tickets of these events and time ranges.

    They are grouped by event, minute or day, ticket type, the price at which they were booked, and
    the discount of the tickets of that type in one booking.

    Args:
        granularity: MINUTE or DAY.
    """
    key = {
        "event": "$eventId",
        "time": granularity,
        "type": "$items.ticketTypeId",
        "price": "$items.unitPrice",
        "discount": {"$ifNull": ["$items.discount", 0]},
    }
    rows: list[Document] = []
    for where in _iter_event_filters(ranges):
        stages: list[Query] = [
            {"$match": {**where, "status": "confirmed"}},
            {"$unwind": "$items"},
            {
                "$group": {
                    "_id": key,
                    "bookings": {"$sum": 1},
                    "tickets": {"$sum": "$items.quantity"},
                }
            },
        ]
        rows += [{**row.pop("_id"), **row} for row in db.bookings.aggregate(stages)]
    return cast(list[TicketPriceSums], rows)


def _iter_event_filters(ranges: Sequence[EventTimeRange]) -> Iterable[Query]:
    for first in range(0, len(ranges), RANGES_PER_QUERY):
        batch = [build_event_filter(*each) for each in ranges[first : first + RANGES_PER_QUERY]]
        yield batch[0] if len(batch) == 1 else {"$or": batch}


def build_event_filter(event_id: int, time_range: TimeRange | None) -> Query:
    """Return the filter for the bookings of an event that were made in a time range."""
    created = {"createdAt": {"$gte": time_range[0], "$lt": time_range[1]}} if time_range else {}
    return {"eventId": event_id, **created}


def find_first_and_last_time(db: Db) -> tuple[datetime, datetime] | None:
    """Return when the first and the last booking were made, None if there are no bookings."""
    first, last = (
        db.bookings.find_one(
            {"createdAt": {"$exists": True}}, {"createdAt": 1}, sort=[("createdAt", direction)]
        )
        for direction in (1, -1)
    )
    return (first["createdAt"], last["createdAt"]) if first and last else None


def find_changed(
    db: Db,
    checkpoint: Checkpoint,
    organizer_id: ObjectId | None = None,
    event_ids: Sequence[int] | None = None,
) -> list[ChangedBooking]:
    """Return the bookings that changed since a checkpoint, also if the ledger lacks the change.

    A booking may be returned several times.

    Args:
        organizer_id: return only bookings of this organizer's events.
        event_ids: return only bookings of these events.
    """
    filters = build_organizer_filter(organizer_id)
    if event_ids is not None:
        filters["eventId"] = {"$in": list(event_ids)}
    # These are read before the ledger: a change that is copied in between is found there.
    due = db.bookings.find({"ledgerDue": True, **filters}, {"_id": 0, "createdAt": 1, "eventId": 1})
    pending = cast(list[ChangedBooking], list(due))
    return pending + _find_ledger_rows(db, {"number": {"$gt": checkpoint.number}, **filters})


def find_copied_changes(db: Db, checkpoint: Checkpoint, up_to: Checkpoint) -> list[ChangedBooking]:
    """Return the bookings of the ledger's rows after one checkpoint, up to another.

    A booking may be returned several times.
    """
    return _find_ledger_rows(db, {"number": {"$gt": checkpoint.number, "$lte": up_to.number}})


def _find_ledger_rows(db: Db, where: Query) -> list[ChangedBooking]:
    found = db.ledger.find(where, {"_id": 0, "bookedAt": 1, "eventId": 1})
    return [{"eventId": row["eventId"], "createdAt": row["bookedAt"]} for row in found]


def find_booked_event_ids(db: Db) -> list[int]:
    """Return the eventIds that have bookings, sorted."""
    groups = db.bookings.aggregate([{"$group": {"_id": "$eventId"}}])
    return sorted(group["_id"] for group in groups if group["_id"] is not None)


def find_checkpoint(db: Db, state_id: str = JOB_STATE_ID) -> Checkpoint | None:
    """Return up to where a job's stored sums are complete, None before the first run."""
    state = cast(StoredJobState | None, db.salesMarker.find_one({"_id": state_id}))
    return get_checkpoint(state) if state else None


def forget_checkpoint(db: Db) -> None:
    """Let the next run count all bookings. A run in progress sets no checkpoint any more."""
    change = {"$unset": {"upToNumber": ""}, "$inc": {"run": 1}}
    db.salesMarker.update_one({"_id": JOB_STATE_ID}, change)


def get_checkpoint(state: StoredJobState) -> Checkpoint | None:
    """Return the checkpoint of a job, None before the first run.

    One without a number was stored by an older version, and counts as none.
    """
    if "upToNumber" not in state:
        return None
    return Checkpoint(state["upToNumber"], state["upTo"])


def begin_run(
    db: Db, now: datetime, lease: timedelta, state_id: str = JOB_STATE_ID
) -> StoredJobState | None:
    """Begin a run, unless another run has the lease.

    Returns:
        The state of the job, with the number of the new run; None if another run has the lease.
    """
    where = {"_id": state_id, "busyUntil": {"$lte": now}}
    update = {"$inc": {"run": 1}, "$set": {"busyUntil": now + lease}}
    for _attempt in range(2):
        state = db.salesMarker.find_one_and_update(
            where, update, return_document=ReturnDocument.AFTER
        )
        if state or not _insert_job_state(db, now, state_id):
            return cast(StoredJobState | None, state)
    return None


def _insert_job_state(db: Db, now: datetime, state_id: str) -> bool:
    """Insert the state of a job that never ran. Return False if a state exists."""
    try:
        db.salesMarker.insert_one({"_id": state_id, "run": 0, "busyUntil": now})
    except DuplicateKeyError:
        return False
    return True


def extend_lease(db: Db, run: int, until: datetime, state_id: str = JOB_STATE_ID) -> None:
    """Extend the lease of a run, unless a later run has begun."""
    where = {"_id": state_id, "run": run}
    db.salesMarker.update_one(where, {"$max": {"busyUntil": until}})


def move_checkpoint(db: Db, run: int, checkpoint: Checkpoint, state_id: str) -> None:
    """Move the checkpoint of a run that goes on, unless a later run has begun."""
    fields = {"upToNumber": checkpoint.number, "upTo": checkpoint.time}
    db.salesMarker.update_one({"_id": state_id, "run": run}, {"$set": fields})


def end_run(
    db: Db, run: int, checkpoint: Checkpoint, now: datetime, state_id: str = JOB_STATE_ID
) -> None:
    """Move the checkpoint and end the lease, unless a later run has begun."""
    fields = {"upToNumber": checkpoint.number, "upTo": checkpoint.time, "busyUntil": now}
    db.salesMarker.update_one({"_id": state_id, "run": run}, {"$set": fields})


def save_sums(db: Db, collection: str, run: int, documents: Iterable[SumsDocument]) -> None:
    """Write stored sums, except those that a later run has written."""
    updates = [
        UpdateOne(
            {"_id": identity["_id"], "run": {"$lte": run}},
            {"$set": {**fields, "run": run}, "$setOnInsert": _drop_id(identity)},
            upsert=True,
        )
        for identity, fields in documents
    ]
    for first in range(0, len(updates), UPDATES_PER_WRITE):
        try:
            db[collection].bulk_write(updates[first : first + UPDATES_PER_WRITE], ordered=False)
        except BulkWriteError as error:
            # An upsert finds its `_id` taken if a later run has written the document.
            if not has_only_duplicates(error):
                raise


def _drop_id(document: Query) -> Query:
    return {name: value for name, value in document.items() if name != "_id"}


def find_day_sums(db: Db, scope: str, start: datetime, end: datetime) -> list[DaySums]:
    """Return the stored days of a scope from `start` to `end` (exclusive)."""
    where = {"scope": scope, "day": {"$gte": start, "$lt": end}}
    found = db.dailySales.find(where, {"_id": 0, "day": 1, "slots": 1})
    return cast(list[DaySums], list(found))


def find_event_sums(
    db: Db, organizer_id: ObjectId | None = None, event_ids: Sequence[int] | None = None
) -> list[EventSums]:
    """Return the stored sums of all events, of an organizer's events, or of these events."""
    where = build_organizer_filter(organizer_id)
    if event_ids is not None:
        where["_id"] = {"$in": list(event_ids)}
    found = db.eventSales.find(where, {"numbers": 1})
    return cast(list[EventSums], list(found))


def find_event_days(db: Db, event_ids: Iterable[int]) -> list[EventDay]:
    """Return the stored days of these events."""
    fields = {"_id": 0, "eventId": 1, "day": 1, "parts": 1}
    found = db.eventDays.find({"eventId": {"$in": list(event_ids)}}, fields)
    return cast(list[EventDay], list(found))


def allow_job_timeout() -> AbstractContextManager[object]:
    """Return a context in which database operations may take JOB_TIMEOUT_SECONDS."""
    return pymongo.timeout(JOB_TIMEOUT_SECONDS)
