"""Compute the figures of one event and the table of its bookings, for its organizer and admins."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date

from eventapp.analytics import bookings_csv, event_sums, money_sums, rules, store_figures
from eventapp.analytics.csv_tables import prepend
from eventapp.analytics.money import NO_MONEY
from eventapp.analytics.rules import BookingTotals
from eventapp.analytics.segments import Segment
from eventapp.analytics.service import render_money, render_price, render_sales
from eventapp.bookings import service as bookings
from eventapp.core.access.actor import Actor, ActorLoader
from eventapp.core.database import Db
from eventapp.core.json import JsonObject
from eventapp.events import service as events
from eventapp.events.types import Event

STOCK_FIELDS = ("capacity", "sold", "held", "available")


def get_event_stats(db: Db, event_id: int, actor: Actor, *, currency: str) -> JsonObject:
    """Return the stock, revenue and waitlist of an event.

    The figures are given in total, by ticket type, and by the UTC day on which bookings were made
    and money moved. The revenues of the types add up exactly to that of the event, and so do the
    revenues and the money of the days.

    Raises:
        EventNotFound: there is no such event.
        Forbidden: the caller may not manage the event.
    """
    event = events.get_managed(db, event_id, actor)
    segments = event_sums.load_segments(db, event_id)
    days, money = _sum_by_day(segments), money_sums.sum_event_by_day(db, event_id)
    totals = rules.sum_totals(days.values())
    types = _render_types(segments, event)
    waitlists = store_figures.sum_waitlists(db, [event_id])
    stock = {name: sum(each[name] for each in types) for name in STOCK_FIELDS}
    return {
        "eventId": event_id,
        "title": event["title"],
        "status": event["status"],
        "currency": currency,
        **stock,
        "utilization": rules.compute_ratio(stock["sold"], stock["capacity"]),
        **render_price(totals.revenue, totals.discount),
        **render_money(sum(money.values(), NO_MONEY)),
        "bookings": rules.count_by_status(totals),
        "cancellationRate": totals.cancellation_rate,
        "views": event.get("views", 0),
        "byType": types,
        "byDay": [
            {
                "date": day.isoformat(),
                **render_sales(days.get(day) or BookingTotals(), money.get(day, NO_MONEY)),
            }
            for day in sorted(days.keys() | money.keys())
        ],
        "waitlist": {
            "entries": sum(each["entries"] for each in waitlists),
            "tickets": sum(each["tickets"] for each in waitlists),
        },
    }


def _sum_by_day(segments: Iterable[Segment]) -> dict[date, BookingTotals]:
    days: defaultdict[date, BookingTotals] = defaultdict(BookingTotals)
    for segment in segments:
        days[segment.since.date()].add_numbers(segment.totals.numbers)
    return days


def _render_types(segments: Iterable[Segment], event: Event) -> list[JsonObject]:
    """Return each ticket type with its stock and its revenue, at the prices that were booked."""
    cents: defaultdict[int, int] = defaultdict(int)
    discounts: defaultdict[int, int] = defaultdict(int)
    for segment in segments:
        for type_id, more_cents in segment.cents_by_type.items():
            cents[type_id] += more_cents
        for type_id, more_cents in segment.discounts_by_type.items():
            discounts[type_id] += more_cents
    return [
        {
            "ticketTypeId": ticket_type["ticketTypeId"],
            "type": ticket_type["type"],
            "price": ticket_type["price"],
            "capacity": ticket_type["capacity"],
            "sold": ticket_type["soldTickets"],
            "held": ticket_type["heldTickets"],
            "available": ticket_type["availableTickets"],
            "waiting": events.count_waiting_for(event, ticket_type),
            **render_price(cents[type_id], discounts[type_id]),
        }
        for ticket_type in event["ticketTypes"]
        for type_id in [ticket_type["ticketTypeId"]]
    ]


def stream_bookings_csv(
    db: Db, event_id: int, actor: Actor, load_actor: ActorLoader
) -> Iterator[bytes]:
    """Return all bookings of an event as CSV, in chunks, while the caller may manage the event.

    Args:
        load_actor: loads the caller again, as they may act at that moment.

    Raises:
        EventNotFound: there is no such event.
        Forbidden: the caller may not manage the event.
    """
    events.get_managed(db, event_id, actor)
    found = bookings.iterate_event_bookings(db, event_id)
    # Tombstones, which have no status, are left out: see bookings/store.py.
    chunks = bookings_csv.write_csv(row for row in found if row.get("status"))
    # The first chunk is read here, so that an unavailable database is an error answer and not a
    # truncated table.
    first = next(chunks)
    return prepend(first, events.iterate_while_managed(db, event_id, load_actor, chunks))
