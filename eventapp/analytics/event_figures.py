"""The figures and the table of one event, for its organizer and admins."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from eventapp.analytics import bookings_csv, event_day_sums, rules, store_events
from eventapp.analytics.day_sums import Part
from eventapp.analytics.rules import CANCELLED, CONFIRMED, Tally
from eventapp.bookings import service as bookings
from eventapp.bookings.service import from_cents
from eventapp.core.access.actor import Actor
from eventapp.core.database import Db, Document
from eventapp.events import service as events

AMOUNTS = {
    "capacity": "capacity",
    "sold": "soldTickets",
    "held": "heldTickets",
    "available": "availableTickets",
}


def stats(db: Db, event_id: int, actor: Actor, *, currency: str) -> dict[str, Any]:
    """Stock, revenue and waitlist of an event, in all, by ticket type and by (UTC) day.

    Days are those on which bookings were made. The revenue of types, and of days, adds up to the
    event's, exactly. EventNotFound, Forbidden.
    """
    event = events.managed(db, event_id, actor)
    parts = event_day_sums.of_event(db, event_id)
    by_day, tally = _by_day(parts)
    types = _by_type(parts, event)
    waits = store_events.waiting(db, [event_id])
    stock = {name: sum(kind[name] for kind in types) for name in AMOUNTS}
    return {
        "eventId": event_id,
        "title": event["title"],
        "status": event["status"],
        "currency": currency,
        **stock,
        "utilization": rules.share(stock["sold"], stock["capacity"]),
        "revenue": from_cents(tally.revenue),
        "bookings": rules.counts(tally),
        "cancellationRate": tally.cancellation_rate,
        "views": event.get("views", 0),
        "byType": types,
        "byDay": by_day,
        "waitlist": {
            "entries": sum(row["entries"] for row in waits),
            "tickets": sum(row["tickets"] for row in waits),
        },
    }


def _by_day(parts: Iterable[Part]) -> tuple[list[Document], Tally]:
    days: defaultdict[str, Tally] = defaultdict(Tally)
    for part in parts:
        days[part.since.date().isoformat()].include(part.tally.numbers)
    shown = [
        {
            "date": day,
            "revenue": from_cents(days[day].revenue),
            "bookings": days[day].bookings(CONFIRMED),
            "tickets": days[day].tickets(CONFIRMED),
            "cancelled": days[day].bookings(CANCELLED),
        }
        for day in sorted(days)
    ]
    return shown, rules.total(days.values())


def _by_type(parts: Iterable[Part], event: Document) -> list[Document]:
    """Each type with its stock and the revenue of its confirmed tickets, at the prices booked."""
    cents: defaultdict[int, int] = defaultdict(int)
    for part in parts:
        for type_id, more in part.cents.items():
            cents[type_id] += more
    return [
        {
            "ticketTypeId": kind["ticketTypeId"],
            "type": kind["type"],
            "price": kind["price"],
            **{name: kind[stored] for name, stored in AMOUNTS.items()},
            "waiting": kind["waiting"],
            "revenue": from_cents(cents[kind["ticketTypeId"]]),
        }
        for kind in event["ticketTypes"]
    ]


def table(db: Db, event_id: int, actor: Actor) -> Iterator[bytes]:
    """All bookings of the event as CSV, part by part. EventNotFound, Forbidden."""
    events.managed(db, event_id, actor)
    rows = (row for row in bookings.iterate_event_bookings(db, event_id) if row.get("status"))
    parts = bookings_csv.lines(rows)
    first = next(parts)  # so that a database that is away is an answer, not a broken table
    return _chained(first, parts)


def _chained(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
