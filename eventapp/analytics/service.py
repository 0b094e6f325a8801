"""Compute the figures of an organizer's events, or of all events for an admin.

rules.py defines the figures.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from bson import ObjectId

from eventapp.analytics import money_sums, rules, sales_sums, store_figures
from eventapp.analytics.money import NO_MONEY, MoneyTotals
from eventapp.analytics.ranking import RankedEvents
from eventapp.analytics.rules import BookingTotals
from eventapp.analytics.types import EventHeading, EventsOfStatus, EventStock, WaitlistTotals
from eventapp.bookings.service import from_cents
from eventapp.core import paging
from eventapp.core.access.actor import Actor
from eventapp.core.clock import load_zone
from eventapp.core.database import Db
from eventapp.core.errors import ValidationFailed
from eventapp.core.json import JsonObject
from eventapp.core.paging import PageRequest

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


class ListPage(NamedTuple):
    """A page of a list.

    Attributes:
        body: the rows and the fields of `paging.make_page_envelope`.
        next_position: where the next page begins; None at the end of the list.
    """

    body: JsonObject
    next_position: JsonObject | None


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
    waitlists = list_waitlists(db, organizer_id, PageRequest(limit=WAITLISTS_IN_OVERVIEW)).body
    return {
        "currency": currency,
        **render_price(totals.revenue, totals.discount),
        **render_money(money_sums.sum_all(db, organizer_id)),
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
    total. Sales count on the day on which they were booked, and money on the day on which it moved.

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
    daily_money = money_sums.sum_by_day(db, organizer_id, first, last, zone)
    money = group_money_by_interval(daily_money, points, period.interval)
    return {
        "currency": currency,
        "interval": period.interval,
        "timezone": period.timezone,
        "from": first.isoformat(),
        "to": last.isoformat(),
        "points": [
            {"start": day.isoformat(), **render_sales(totals, money[day])}
            for day, totals in points.items()
        ],
        "total": render_sales(rules.sum_totals(points.values()), sum(money.values(), NO_MONEY)),
    }


def _load_zone(name: str) -> ZoneInfo:
    try:
        return load_zone(name)
    except ValueError:
        message = "Not an IANA time zone, as Europe/Athens"
        raise ValidationFailed("Invalid timezone", errors={"timezone": [message]}) from None


def _validate_period(first: date, last: date) -> None:
    if first > last:
        raise ValidationFailed("Invalid from", errors={"from": ["Must not be after `to`"]})
    if (last - first).days >= rules.MAX_DAYS:
        message = f"At most {rules.MAX_DAYS} days at once"
        raise ValidationFailed("Invalid from", errors={"from": [message]})


def group_money_by_interval(
    days: Mapping[date, MoneyTotals], starts: Iterable[date], interval: str
) -> dict[date, MoneyTotals]:
    """Return the money of days by the first day of their interval, one of `starts`."""
    by_interval = dict.fromkeys(starts, NO_MONEY)
    for day, money in days.items():
        by_interval[rules.floor_to_interval(day, interval)] += money
    return by_interval


def render_money(money: MoneyTotals) -> JsonObject:
    """Return what was charged and refunded, what the providers kept, and what remains."""
    return {
        "charged": from_cents(money.charged),
        "refunded": from_cents(money.refunded),
        "fees": from_cents(money.fees),
        "net": from_cents(money.net),
    }


def render_price(revenue: int, discount: int) -> JsonObject:
    """Return what tickets would have cost, their discount, and what they cost; all from cents."""
    return {
        "gross": from_cents(revenue + discount),
        "discount": from_cents(discount),
        "revenue": from_cents(revenue),
    }


def render_sales(totals: BookingTotals, money: MoneyTotals) -> JsonObject:
    """Return totals, and the money that moved, as a point of a time series shows them."""
    return {
        **render_price(totals.revenue, totals.discount),
        **render_money(money),
        "bookings": totals.count_bookings(rules.CONFIRMED),
        "tickets": totals.count_tickets(rules.CONFIRMED),
        "cancelled": totals.count_bookings(rules.CANCELLED),
    }


def list_events(
    db: Db,
    organizer_id: ObjectId | None,
    request: PageRequest | None = None,
    *,
    sort_by: str = "revenue",
    status: str | None = None,
) -> ListPage:
    """Return a page of events with their figures, sorted in descending order; see ranking.py.

    Args:
        request: which page; None for the first one.
        sort_by: one of rules.SORTS.
        status: return only events with this status.

    Raises:
        ValidationFailed: the page begins after the last row that a page number can reach, or the
            list position is malformed.
    """
    ranked = RankedEvents(db, sort_by, organizer_id, status)
    page = ranked.find_page(request or PageRequest())
    ids = page.event_ids
    stock = {each["eventId"]: each for each in store_figures.find_stock(db, event_ids=ids)}
    headings = store_figures.find_headings(db, ids)
    totals = sales_sums.sum_by_event(db, None, ids) if ids else {}
    money = money_sums.sum_by_event(db, ids) if ids else {}
    # An event that was deleted a moment ago is left out.
    shown = [id_ for id_ in ids if id_ in stock and id_ in headings]
    rows = [
        _render_event(stock[id_], totals.get(id_) or BookingTotals(), money[id_], headings[id_])
        for id_ in shown
    ]
    return ListPage({"events": rows, **page.envelope}, page.next_position)


def _render_event(
    stock: EventStock, totals: BookingTotals, money: MoneyTotals, heading: EventHeading
) -> JsonObject:
    return {
        "eventId": stock["eventId"],
        "status": stock["status"],
        "capacity": stock["capacity"],
        "sold": stock["sold"],
        "held": stock["held"],
        "available": stock["available"],
        "utilization": rules.compute_ratio(stock["sold"], stock["capacity"]),
        "title": heading["title"],
        "organizer": heading["organizer"],
        "organizerId": heading["organizerId"],
        "nextDate": heading["nextDate"].date().isoformat(),
        "views": heading.get("views", 0),
        **render_price(totals.revenue, totals.discount),
        **render_money(money),
        "bookings": rules.count_by_status(totals),
        "cancellationRate": totals.cancellation_rate,
    }


def list_waitlists(
    db: Db, organizer_id: ObjectId | None, request: PageRequest | None = None
) -> ListPage:
    """Return a page of events with waitlists, and the sums of the waitlists of all pages.

    The events for which the most tickets are wanted come first; see ranking.py. A page that begins
    at a list position repeats the sums of the first page, because computing them again would slow
    down every page.

    Raises:
        ValidationFailed: the page begins after the last row that a page number can reach, or the
            list position is malformed.
    """
    request = request or PageRequest()
    ranked = RankedEvents(db, "wanted", organizer_id)
    page = ranked.find_page(request)
    position = request.list_position
    totals = ranked.sum_waitlists() if position is None else _parse_waitlist_totals(position)
    rows = _render_waitlists(db, page.event_ids)
    next_position = {**page.next_position, **totals} if page.next_position else None
    return ListPage({"events": rows, **totals, **page.envelope}, next_position)


def _parse_waitlist_totals(position: JsonObject) -> WaitlistTotals:
    return {
        "entries": paging.parse_cursor_int(position.get("entries")),
        "tickets": paging.parse_cursor_int(position.get("tickets")),
    }


def _render_waitlists(db: Db, event_ids: Sequence[int]) -> list[JsonObject]:
    """Return what is shown of the waitlists of these events, without those that ended by now."""
    waitlists = {each["eventId"]: each for each in store_figures.sum_waitlists(db, event_ids)}
    headings = store_figures.find_headings(db, event_ids)
    open_offers = store_figures.count_open_offers(db, event_ids)
    return [
        {
            **waitlists[id_],
            "title": headings[id_]["title"] if id_ in headings else "",
            "openOffers": open_offers.get(id_, 0),
        }
        for id_ in event_ids
        if id_ in waitlists
    ]
