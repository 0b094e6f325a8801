"""The figures of an organizer's events, or of all for an admin. `rules` says what they mean."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from bson import ObjectId

from eventapp.analytics import rules, sales_sums, store_events
from eventapp.analytics.rules import Tally
from eventapp.bookings.service import from_cents
from eventapp.core import paging
from eventapp.core.access.actor import Actor
from eventapp.core.database import Db, Document
from eventapp.core.errors import ValidationFailed

DEFAULT_DAYS, WAITED_FOR_SHOWN = 30, 10
AMOUNTS = ("capacity", "sold", "held", "available")
# What is on sale or was: a draft's and a cancelled event's tickets fill no hall.
COUNTED = ("published", "completed")


@dataclass(frozen=True)
class Period:
    """Days of a zone's calendar, both included; unsaid, the last 30."""

    first: date | None = None
    last: date | None = None
    interval: str = rules.DAY
    timezone: str = "UTC"


def scope_of(actor: Actor) -> ObjectId | None:
    """Whose events the caller sees: None for all."""
    return None if actor.is_admin else actor.require_user_id()


def overview(db: Db, organizer_id: ObjectId | None, *, currency: str) -> dict[str, Any]:
    """Everything at a glance: events, bookings, tickets, revenue of all time, and who waits."""
    tally = rules.total(sales_sums.all_sales(db, organizer_id).values())
    events = store_events.totals(db, organizer_id)
    waits = waitlist(db, organizer_id, limit=WAITED_FOR_SHOWN)
    return {
        "currency": currency,
        "revenue": from_cents(tally.revenue),
        "bookings": rules.counts(tally),
        "ticketsSold": tally.tickets(rules.CONFIRMED),
        "ticketsHeld": tally.tickets(rules.HELD),
        "cancellationRate": tally.cancellation_rate,
        "events": _event_counts(events),
        **_stock(events),
        "views": sum(row["views"] for row in events.values()),
        "waitlist": {name: waits[name] for name in ("entries", "tickets", "events")},
    }


def _event_counts(events: dict[str, Document]) -> dict[str, int]:
    names = ("draft", "published", "cancelled", "completed")
    by_status = {name: events.get(name, {}).get("events", 0) for name in names}
    return {"total": sum(by_status.values()), **by_status}


def _stock(events: dict[str, Document]) -> dict[str, Any]:
    rows = [row for status, row in events.items() if status in COUNTED]
    sums = {name: sum(row[name] for row in rows) for name in AMOUNTS}
    utilization = rules.share(sums["sold"], sums["capacity"])
    return {"capacity": sums["capacity"], "available": sums["available"]} | {
        "utilization": utilization
    }


def revenue(
    db: Db, organizer_id: ObjectId | None, period: Period, *, now: datetime, currency: str
) -> dict[str, Any]:
    """What was booked, by day, week (from Monday) or month of a zone's calendar.

    The first and the last point hold only what lies in the period; `start` is the first day of
    their whole interval. The points add up to the total, exactly.

    Raises:
        ValidationFailed: `from` after `to`, more than ten years, or no such time zone.
    """
    zone = _zone(period.timezone)
    last = period.last or max(now.astimezone(zone).date(), period.first or date.min)
    first = period.first or last - timedelta(days=DEFAULT_DAYS - 1)
    _refuse_span(first, last)
    days = sales_sums.sales(db, organizer_id, first, last, zone)
    points = rules.series(days, first, last, period.interval)
    return {
        "currency": currency,
        "interval": period.interval,
        "timezone": period.timezone,
        "from": first.isoformat(),
        "to": last.isoformat(),
        "points": [{"start": day.isoformat(), **_sums(tally)} for day, tally in points.items()],
        "total": _sums(rules.total(points.values())),
    }


def _zone(name: str) -> Any:
    try:
        return rules.zone(name)
    except ValueError:
        said = "Not an IANA time zone, as Europe/Athens"
        raise ValidationFailed("Invalid timezone", errors={"timezone": [said]}) from None


def _refuse_span(first: date, last: date) -> None:
    if first > last:
        raise ValidationFailed("Invalid from", errors={"from": ["Must not be after `to`"]})
    if (last - first).days >= rules.MAX_DAYS:
        said = f"At most {rules.MAX_DAYS} days at once"
        raise ValidationFailed("Invalid from", errors={"from": [said]})


def _sums(tally: Tally) -> dict[str, Any]:
    return {
        "revenue": from_cents(tally.revenue),
        "bookings": tally.bookings(rules.CONFIRMED),
        "tickets": tally.tickets(rules.CONFIRMED),
        "cancelled": tally.bookings(rules.CANCELLED),
    }


def events(
    db: Db,
    organizer_id: ObjectId | None,
    *,
    sort_by: str = "revenue",
    status: str | None = None,
    page: int = 1,
    limit: int = 20,
) -> dict[str, Any]:
    """A page of events with their figures, the most first.

    Args:
        sort_by: `revenue`, `sold` or `utilization` (sold of capacity).

    Raises:
        ValidationFailed: a page beyond what is counted.
    """
    tallies = sales_sums.by_event(db, organizer_id)
    rows = [_row(row, tallies) for row in store_events.amounts(db, organizer_id, status)]
    rows.sort(key=lambda row: rules.event_order(row, sort_by))
    skip = paging.page_offset(page=page, limit=limit, counted=len(rows))
    shown = rows[skip : skip + limit] if skip is not None else []
    named = store_events.named(db, (row["eventId"] for row in shown))
    listed = [_shown(row, named[row["eventId"]]) for row in shown if row["eventId"] in named]
    return {"events": listed, **paging.page_envelope(page=page, limit=limit, counted=len(rows))}


def _row(row: Document, tallies: dict[int, Tally]) -> Document:
    tally = tallies.get(row["eventId"]) or Tally()
    utilization = rules.share(row["sold"], row["capacity"])
    return {**row, "utilization": utilization, "cents": tally.revenue, "tally": tally}


def _shown(row: Document, event: Document) -> dict[str, Any]:
    names = ("eventId", "status", *AMOUNTS, "utilization")
    return {
        **{name: row[name] for name in names},
        "title": event["title"],
        "organizer": event["organizer"],
        "organizerId": event["organizerId"],
        "nextDate": event["nextDate"].date().isoformat(),
        "views": event.get("views", 0),
        "revenue": from_cents(row["cents"]),
        "bookings": rules.counts(row["tally"]),
        "cancellationRate": row["tally"].cancellation_rate,
    }


def waitlist(
    db: Db, organizer_id: ObjectId | None, *, page: int = 1, limit: int = 20
) -> dict[str, Any]:
    """The events that are waited for, the most wanted tickets first, and the sums of all."""
    rows = store_events.waiting(db, store_events.waited_for(db, organizer_id))
    rows.sort(key=lambda row: (-row["tickets"], row["eventId"]))
    skip = paging.page_offset(page=page, limit=limit, counted=len(rows))
    shown = rows[skip : skip + limit] if skip is not None else []
    return {
        "events": _titled(db, shown),
        "entries": sum(row["entries"] for row in rows),
        "tickets": sum(row["tickets"] for row in rows),
        **paging.page_envelope(page=page, limit=limit, counted=len(rows)),
    }


def _titled(db: Db, rows: Iterable[Document]) -> list[Document]:
    listed = list(rows)
    ids = [row["eventId"] for row in listed]
    named, offers = store_events.named(db, ids), store_events.open_offers(db, ids)
    return [
        {
            **row,
            "title": named.get(row["eventId"], {}).get("title", ""),
            "openOffers": offers.get(row["eventId"], 0),
        }
        for row in listed
    ]
