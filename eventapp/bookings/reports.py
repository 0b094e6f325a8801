"""Daily and weekly reports to organizers, by mail, of what was booked of their events."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from bson import ObjectId

from eventapp.accounts import service as accounts
from eventapp.bookings import report_periods, rules, store_alerts
from eventapp.bookings.context import BookingContext
from eventapp.bookings.report_periods import Period
from eventapp.core.database import Document
from eventapp.events import alerts as events
from eventapp.notifications import service as notifications
from eventapp.notifications.types import NewNotification, Recipient

AT_ONCE = 200


def report(context: BookingContext, now: datetime) -> int:
    """Report the last day and the last week that are over, once each; how many reports.

    Safe to be cut off anywhere and done again: each organizer's report has a key of its own.
    """
    reports = 0
    for period in report_periods.periods_over(now):
        if not store_alerts.is_reported(context.db, period.key):
            reports += _report_period(context, period, now)
            store_alerts.reported(context.db, period.key, now)
    return reports


def _report_period(context: BookingContext, period: Period, now: datetime) -> int:
    by_organizer = _rows(context, period)
    ids, told = sorted(by_organizer), 0
    for start in range(0, len(ids), AT_ONCE):
        people = accounts.find_contacts(context.db, ids[start : start + AT_ONCE])
        notices = [
            _report_of(period, person, by_organizer[id_], context.limits.currency, now)
            for id_, person in people.items()
        ]
        notifications.notify(context.db, context.outbox.base_url, notices, now)
        told += len(notices)
    return told


def _rows(context: BookingContext, period: Period) -> dict[ObjectId, list[dict[str, Any]]]:
    """A row for each event that something was booked of, by its organizer."""
    by_organizer: dict[ObjectId, list[dict[str, Any]]] = {}
    after = 0
    while found := events.of_organizers(context.db, after, period.since, AT_ONCE):
        after = found[-1]["eventId"]
        for event, row in _sums(context, found, period):
            by_organizer.setdefault(event["organizerId"], []).append(row)
    return by_organizer


def _sums(
    context: BookingContext, found: list[Document], period: Period
) -> Iterable[tuple[Document, dict[str, Any]]]:
    ids = [event["eventId"] for event in found]
    sums: dict[int, list[Document]] = {}
    for row in store_alerts.sums_of_events(context.db, ids, period.since, period.until):
        sums.setdefault(row["_id"]["event"], []).append(row)
    for event in found:
        if rows := sums.get(event["eventId"]):
            yield event, {"title": event["title"], **report_periods.summed(rows)}


def _report_of(
    period: Period, person: Recipient, rows: list[dict[str, Any]], currency: str, now: datetime
) -> NewNotification:
    names = ("bookings", "tickets", "cents", "ended")
    totals = {name: sum(row[name] for row in rows) for name in names}
    return NewNotification(
        key=f"report:{period.key}:{person.id}",
        kind="report",
        recipient=person,
        occurred_at=now,
        data={"period": period.name, "from": period.first_day, "to": period.last_day},
        mail_data={
            "rows": [{**row, "revenue": rules.money(row["cents"])} for row in rows],
            **totals,
            "revenue": rules.money(totals["cents"]),
            "currency": currency,
        },
        in_app=False,
    )
