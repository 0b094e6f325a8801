"""Sums of events' bookings by day, in parts: what is kept of them, and counting them.

`eventDays` has a document for each event and UTC day that something was booked of and on:
`parts: [{since, numbers, cents: [[ticketTypeId, cents]]}]`. The job keeps them.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from eventapp.analytics.store import SPANS_AT_ONCE, grouped
from eventapp.core.database import Db, Document

# An event's bookings of a time, or, where there is none, of all time.
Span = tuple[int, tuple[datetime, datetime] | None]


def days(db: Db, event_ids: Iterable[int]) -> list[Document]:
    """What is kept of these events: `{eventId, day, parts}`."""
    fields = {"_id": 0, "eventId": 1, "day": 1, "parts": 1}
    return list(db.eventDays.find({"eventId": {"$in": list(event_ids)}}, fields))


def sums(db: Db, spans: Sequence[Span], moment: Document) -> list[Document]:
    """By `store.MINUTE` or DAY: `{event, organizer, moment, status, bookings, tickets, cents}`."""
    key = {"event": "$eventId", "organizer": "$organizerId", "moment": moment}
    return [row for where in _filters(spans) for row in grouped(db, where, key)]


def prices(db: Db, spans: Sequence[Span], moment: Document) -> list[Document]:
    """Confirmed tickets by the price they were booked at: `{event, moment, type, price, tickets}`.

    The moment is `store.MINUTE` or DAY.
    """
    key = {
        "event": "$eventId",
        "moment": moment,
        "type": "$items.ticketTypeId",
        "price": "$items.unitPrice",
    }
    rows: list[Document] = []
    for where in _filters(spans):
        stages: list[Document] = [
            {"$match": {**where, "status": "confirmed"}},
            {"$unwind": "$items"},
            {"$group": {"_id": key, "tickets": {"$sum": "$items.quantity"}}},
        ]
        rows += [{**row.pop("_id"), **row} for row in db.bookings.aggregate(stages)]
    return rows


def _filters(spans: Sequence[Span]) -> Iterable[Document]:
    for start in range(0, len(spans), SPANS_AT_ONCE):
        some = [_filter(*span) for span in spans[start : start + SPANS_AT_ONCE]]
        yield some[0] if len(some) == 1 else {"$or": some}


def _filter(event_id: int, times: tuple[datetime, datetime] | None) -> Document:
    when = {"createdAt": {"$gte": times[0], "$lt": times[1]}} if times else {}
    return {"eventId": event_id, **when}
