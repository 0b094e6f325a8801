"""Compute the figures of an organizer's events, or of all events for an admin.

rules.py defines the figures.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from bson import ObjectId

from eventapp.analytics import rules, sales_sums, store_figures
from eventapp.analytics.rules import BookingTotals
from eventapp.analytics.types import EventHeading, EventsOfStatus, EventStock, WaitlistSums
from eventapp.bookings.service import from_cents
from eventapp.core import paging
from eventapp.core.access.actor import Actor
from eventapp.core.database import Db
from eventapp.core.errors import ValidationFailed
from eventapp.core.json import JsonObject

DEFAULT_DAYS, WAITLISTS_IN_OVERVIEW = 30, 10
# The statuses of the events whose stock is summed up in the overview. Drafts and cancelled events
# sell nothing, so their capacity would distort the utilization.
STATUSES_WITH_STOCK = ("published", "completed")


@dataclass(frozen=True)
class RevenuePeriod:
    """The days for which the revenue is returned, and how they are grouped.

    Attributes:
        first: the first local day; None for a period of DEFAULT_DAYS.
        last: the last local day, which is included; None for today, or for `first` if that is
            later.
        interval: one of rules.INTERVALS.
        timezone: an IANA name, such as `Europe/Athens`.
    """

    first: date | None = None
    last: date | None = None
    interval: str = rules.DAY
    timezone: str = "UTC"


@dataclass(frozen=True)
class EventFigures:
    """The stock of an event and the totals of its bookings."""

    stock: EventStock
    totals: BookingTotals
    utilization: float

    def make_sort_key(self, sort_by: str) -> tuple[float, int]:
        """Return the key that sorts events by one of rules.SORTS, descending, then by eventId."""
        values: dict[str, float] = {
            "revenue": self.totals.revenue,
            "sold": self.stock["sold"],
            "utilization": self.utilization,
        }
        return -values[sort_by], self.stock["eventId"]


def find_organizer_scope(actor: Actor) -> ObjectId | None:
    """Return the id of the organizer to whose events the figures for a caller are limited.

    It is the caller's own id; None for an admin, for whom the figures of all events are computed.

    Raises:
        Unauthorized: the caller has no account.
    """
    return None if actor.is_admin else actor.require_user_id()


def get_overview(db: Db, organizer_id: ObjectId | None, *, currency: str) -> JsonObject:
    """Return figures of events, bookings, tickets, revenue and waitlists, without a period."""
    totals = rules.sum_totals(sales_sums.sum_all_days(db, organizer_id).values())
    events = store_figures.sum_events_by_status(db, organizer_id)
    waitlists = list_waitlists(db, organizer_id, limit=WAITLISTS_IN_OVERVIEW)
    return {
        "currency": currency,
        "revenue": from_cents(totals.revenue),
        "bookings": rules.count_by_status(totals),
        "ticketsSold": totals.count_tickets(rules.CONFIRMED),
        "ticketsHeld": totals.count_tickets(rules.HELD),
        "cancellationRate": totals.cancellation_rate,
        "events": _count_events(events),
        **_sum_stock(events),
        "views": sum(row["views"] for row in events.values()),
        "waitlist": {name: waitlists[name] for name in ("entries", "tickets", "events")},
    }


def _count_events(events: dict[str, EventsOfStatus]) -> dict[str, int]:
    by_status = {
        status: events[status]["events"] if status in events else 0
        for status in rules.EVENT_STATUSES
    }
    return {"total": sum(by_status.values()), **by_status}


def _sum_stock(events: dict[str, EventsOfStatus]) -> JsonObject:
    counted = [row for status, row in events.items() if status in STATUSES_WITH_STOCK]
    capacity = sum(row["capacity"] for row in counted)
    return {
        "capacity": capacity,
        "available": sum(row["available"] for row in counted),
        "utilization": rules.compute_ratio(sum(row["sold"] for row in counted), capacity),
    }


def get_revenue(
    db: Db, organizer_id: ObjectId | None, period: RevenuePeriod, *, now: datetime, currency: str
) -> JsonObject:
    """Return what was booked in a period, by day, week (from Monday) or month of a time zone.

    Each point has the first day of its interval as its `start`, but counts only days of the period.
    The first point can therefore have a `start` before the period. The points add up exactly to the
    total.

    Raises:
        ValidationFailed: `from` is after `to`, the period is longer than MAX_DAYS, or there is no
            such time zone.
    """
    zone = _load_zone(period.timezone)
    # A period that begins after today ends with its first day.
    last = period.last or max(now.astimezone(zone).date(), period.first or date.min)
    first = period.first or last - timedelta(days=DEFAULT_DAYS - 1)
    _validate_period(first, last)
    days = sales_sums.sum_by_day(db, organizer_id, first, last, zone)
    points = rules.group_by_interval(days, first, last, period.interval)
    return {
        "currency": currency,
        "interval": period.interval,
        "timezone": period.timezone,
        "from": first.isoformat(),
        "to": last.isoformat(),
        "points": [
            {"start": day.isoformat(), **render_sales(totals)} for day, totals in points.items()
        ],
        "total": render_sales(rules.sum_totals(points.values())),
    }


def _load_zone(name: str) -> ZoneInfo:
    try:
        return rules.load_zone(name)
    except ValueError:
        message = "Not an IANA time zone, as Europe/Athens"
        raise ValidationFailed("Invalid timezone", errors={"timezone": [message]}) from None


def _validate_period(first: date, last: date) -> None:
    if first > last:
        raise ValidationFailed("Invalid from", errors={"from": ["Must not be after `to`"]})
    if (last - first).days >= rules.MAX_DAYS:
        message = f"At most {rules.MAX_DAYS} days at once"
        raise ValidationFailed("Invalid from", errors={"from": [message]})


def render_sales(totals: BookingTotals) -> JsonObject:
    """Return totals as a point of a time series shows them."""
    return {
        "revenue": from_cents(totals.revenue),
        "bookings": totals.count_bookings(rules.CONFIRMED),
        "tickets": totals.count_tickets(rules.CONFIRMED),
        "cancelled": totals.count_bookings(rules.CANCELLED),
    }


def list_events(
    db: Db,
    organizer_id: ObjectId | None,
    *,
    sort_by: str = "revenue",
    status: str | None = None,
    page: int = 1,
    limit: int = 20,
) -> JsonObject:
    """Return a page of events with their figures, sorted in descending order.

    Args:
        sort_by: one of rules.SORTS.
        status: return only events with this status.

    Raises:
        ValidationFailed: the page begins after the last row that a page number can reach.
    """
    totals = sales_sums.sum_by_event(db, organizer_id)
    figures = [
        EventFigures(
            stock,
            totals.get(stock["eventId"]) or BookingTotals(),
            rules.compute_ratio(stock["sold"], stock["capacity"]),
        )
        for stock in store_figures.find_stock(db, organizer_id, status)
    ]
    figures.sort(key=lambda each: each.make_sort_key(sort_by))
    skip = paging.find_page_offset(page=page, limit=limit, counted=len(figures))
    shown = figures[skip : skip + limit] if skip is not None else []
    headings = store_figures.find_headings(db, (each.stock["eventId"] for each in shown))
    return {
        "events": [
            _render_event(each, headings[each.stock["eventId"]])
            for each in shown
            if each.stock["eventId"] in headings
        ],
        **paging.make_page_envelope(page=page, limit=limit, counted=len(figures)),
    }


def _render_event(figures: EventFigures, heading: EventHeading) -> JsonObject:
    stock, totals = figures.stock, figures.totals
    return {
        "eventId": stock["eventId"],
        "status": stock["status"],
        "capacity": stock["capacity"],
        "sold": stock["sold"],
        "held": stock["held"],
        "available": stock["available"],
        "utilization": figures.utilization,
        "title": heading["title"],
        "organizer": heading["organizer"],
        "organizerId": heading["organizerId"],
        "nextDate": heading["nextDate"].date().isoformat(),
        "views": heading.get("views", 0),
        "revenue": from_cents(totals.revenue),
        "bookings": rules.count_by_status(totals),
        "cancellationRate": totals.cancellation_rate,
    }


def list_waitlists(
    db: Db, organizer_id: ObjectId | None, *, page: int = 1, limit: int = 20
) -> JsonObject:
    """Return a page of events with waitlists, and the sums of the waitlists of all pages.

    The events for which the most tickets are wanted come first.

    Raises:
        ValidationFailed: the page begins after the last row that a page number can reach.
    """
    event_ids = store_figures.find_waitlisted_event_ids(db, organizer_id)
    waitlists = store_figures.sum_waitlists(db, event_ids)
    waitlists.sort(key=lambda each: (-each["tickets"], each["eventId"]))
    skip = paging.find_page_offset(page=page, limit=limit, counted=len(waitlists))
    shown = waitlists[skip : skip + limit] if skip is not None else []
    return {
        "events": _render_waitlists(db, shown),
        "entries": sum(each["entries"] for each in waitlists),
        "tickets": sum(each["tickets"] for each in waitlists),
        **paging.make_page_envelope(page=page, limit=limit, counted=len(waitlists)),
    }


def _render_waitlists(db: Db, waitlists: Sequence[WaitlistSums]) -> list[JsonObject]:
    ids = [each["eventId"] for each in waitlists]
    headings = store_figures.find_headings(db, ids)
    open_offers = store_figures.count_open_offers(db, ids)
    return [
        {
            **each,
            "title": headings[each["eventId"]]["title"] if each["eventId"] in headings else "",
            "openOffers": open_offers.get(each["eventId"], 0),
        }
        for each in waitlists
    ]
