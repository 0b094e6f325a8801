"""Notify holders of what became of their bookings, and send organizers reports of their sales.

A change of a booking notes which notifications are to be written (`tell` in `bookings.store`), and
the worker writes them here. The worker may be interrupted anywhere and several may run at once:
every notification has a key and is written once.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from bson import ObjectId

from eventapp.accounts import service as accounts
from eventapp.bookings import rules, store
from eventapp.bookings.context import BookingContext
from eventapp.bookings.types import SalesRow, SalesSum, StoredBooking
from eventapp.core.clock import advancing_clock
from eventapp.core.failpoints import failpoint
from eventapp.events import alerts as events
from eventapp.events.types import AlertEvent, OrganizerEvent
from eventapp.notifications import service as notifications
from eventapp.notifications.types import Attachment, Facts, NewNotification, Recipient, ReportRow

BATCH_SIZE = 200
# Batches of bookings in one run, so that the changes of events have their turn.
MAX_BATCHES = 25
DAY = timedelta(days=1)


# Notifications to holders.


def notify_holders(context: BookingContext, now: datetime) -> int:
    """Write all pending notifications to holders; return how many were written."""
    clock = advancing_clock(now)
    written = 0
    for _batch in range(MAX_BATCHES):
        bookings = store.find_with_pending_notifications(context.db, BATCH_SIZE)
        written += _notify_of_bookings(context, bookings, clock())
        if len(bookings) < BATCH_SIZE:
            break
    for event in events.find_schedule_changes(context.db, BATCH_SIZE):
        written += _notify_of_event_change(context, event, clock())
        events.clear_schedule_changes(context.db, event)
    return written


def _notify_of_bookings(
    context: BookingContext, bookings: Sequence[StoredBooking], now: datetime
) -> int:
    holders = accounts.find_recipients(context.db, _holder_ids(bookings))
    pending = [
        _booking_notification(context, booking, kind, noted_at, holders[user_id])
        for booking in bookings
        if (user_id := booking["userId"]) and user_id in holders
        for kind, noted_at in booking["tell"].items()
        if rules.is_worth_notifying(kind, booking)
    ]
    written = notifications.notify(context.db, context.outbox.base_url, pending, now)
    failpoint("told")
    store.clear_pending_notifications(context.db, bookings)
    return written


def _holder_ids(bookings: Iterable[StoredBooking]) -> set[ObjectId]:
    return {booking["userId"] for booking in bookings if booking["userId"]}


def _booking_notification(
    context: BookingContext,
    booking: StoredBooking,
    kind: str,
    noted_at: datetime,
    holder: Recipient,
) -> NewNotification:
    codes, files = _ticket_attachments(context, booking, kind, noted_at)
    return NewNotification(
        key=f"booking:{booking['_id']}:{kind}",
        kind=kind,
        recipient=holder,
        occurred_at=noted_at,
        data=_booking_facts(booking),
        mail_data={
            "items": booking["items"],
            "totalPrice": booking["totalPrice"],
            "codes": codes,
        },
        attachments=files,
    )


def _ticket_attachments(
    context: BookingContext, booking: StoredBooking, kind: str, now: datetime
) -> tuple[list[str], tuple[Attachment, ...]]:
    """Return the tickets for the mail of a confirmation; none if the booking has ended since."""
    has_tickets = kind == rules.BOOKING_CONFIRMED and booking["status"] == rules.CONFIRMED
    if context.ticket_attachments and has_tickets:
        return context.ticket_attachments(context, booking, now)
    return [], ()


def _booking_facts(booking: StoredBooking) -> Facts:
    """Return what the app shows of a booking in addition to the text of a notification."""
    refund = booking["refund"]
    return {
        "bookingId": booking["_id"],
        "bookingReference": booking["bookingReference"],
        "eventId": booking["eventId"],
        "eventTitle": booking["eventTitle"],
        "location": booking["location"],
        "quantity": booking["quantity"],
        "currency": booking["currency"],
        "date": booking["date"].date().isoformat(),
        "expiresAt": booking["expiresAt"],
        "refund": refund["amount"] if refund else None,
    }


def _notify_of_event_change(context: BookingContext, event: AlertEvent, now: datetime) -> int:
    """Notify the holders whose date and location are no longer in the event's schedule."""
    written, after = 0, None
    active = {"eventId": event["eventId"], "active": True}
    while batch := store.find_page(context.db, active, skip=0, limit=BATCH_SIZE, after=after):
        after = (batch[-1]["createdAt"], batch[-1]["_id"])
        moved = [one for one in batch if not events.has_entry(event, one["date"], one["location"])]
        holders = accounts.find_recipients(context.db, _holder_ids(moved))
        pending = [
            _change_notification(event, booking, holders[user_id])
            for booking in moved
            if (user_id := booking["userId"]) and user_id in holders
        ]
        written += notifications.notify(context.db, context.outbox.base_url, pending, now)
    return written


def _change_notification(
    event: AlertEvent, booking: StoredBooking, holder: Recipient
) -> NewNotification:
    last_change = event["tell"][-1]
    return NewNotification(
        key=f"event:{event['eventId']}:{last_change['rev']}:{booking['_id']}",
        kind="event_changed",
        recipient=holder,
        occurred_at=last_change["at"],
        data={**_booking_facts(booking), "schedule": events.show_schedule(event)},
    )


# Reports to organizers.


@dataclass(frozen=True)
class ReportPeriod:
    """A day or a week in UTC.

    Attributes:
        name: `daily` or `weekly`.
        since: the midnight that it begins with.
        until: the midnight that it ends before.
    """

    name: str
    since: datetime
    until: datetime

    @property
    def first_day(self) -> str:
        """The first day, as YYYY-MM-DD."""
        return self.since.date().isoformat()

    @property
    def last_day(self) -> str:
        """The last day, as YYYY-MM-DD."""
        return (self.until - DAY).date().isoformat()

    @property
    def key(self) -> str:
        """The key under which it is recorded that the reports of this period are written."""
        return f"{self.name}:{self.first_day}"


def finished_periods(now: datetime) -> list[ReportPeriod]:
    """Return yesterday and the last week, Monday to Sunday, that is over."""
    today = datetime.combine(now.date(), time.min, UTC)
    monday = today - now.weekday() * DAY
    return [
        ReportPeriod("daily", today - DAY, today),
        ReportPeriod("weekly", monday - 7 * DAY, monday),
    ]


def send_reports(context: BookingContext, now: datetime) -> int:
    """Write the reports of the last day and week that are over, once each; return how many."""
    reports = 0
    for period in finished_periods(now):
        if not store.is_period_reported(context.db, period.key):
            reports += _report_period(context, period, now)
            store.mark_period_reported(context.db, period.key, now)
    return reports


def _report_period(context: BookingContext, period: ReportPeriod, now: datetime) -> int:
    rows = _rows_by_organizer(context, period)
    organizer_ids, reports = sorted(rows), 0
    for start in range(0, len(organizer_ids), BATCH_SIZE):
        batch = organizer_ids[start : start + BATCH_SIZE]
        pending = [
            _report(period, organizer, rows[id_], context.limits.currency, now)
            for id_, organizer in accounts.find_recipients(context.db, batch).items()
        ]
        notifications.notify(context.db, context.outbox.base_url, pending, now)
        reports += len(pending)
    return reports


def _rows_by_organizer(
    context: BookingContext, period: ReportPeriod
) -> dict[ObjectId, list[SalesRow]]:
    """Return a row for each event with bookings of the period, by the event's organizer."""
    rows: dict[ObjectId, list[SalesRow]] = {}
    last_id = 0
    while batch := events.find_organizer_events(context.db, last_id, period.since, BATCH_SIZE):
        last_id = batch[-1]["eventId"]
        for event, row in _sales_rows(context, batch, period):
            rows.setdefault(event["organizerId"], []).append(row)
    return rows


def _sales_rows(
    context: BookingContext, batch: Sequence[OrganizerEvent], period: ReportPeriod
) -> Iterator[tuple[OrganizerEvent, SalesRow]]:
    event_ids = [event["eventId"] for event in batch]
    sums: dict[int, list[SalesSum]] = {}
    for sum_ in store.sum_sales(context.db, event_ids, period.since, period.until):
        sums.setdefault(sum_["_id"]["event"], []).append(sum_)
    for event in batch:
        if event["eventId"] in sums:
            yield event, sales_row(event["title"], sums[event["eventId"]])


def sales_row(title: str, sums: Iterable[SalesSum]) -> SalesRow:
    """Return the row of an event: its confirmed bookings, and how many have ended since."""
    row: SalesRow = {"title": title, "bookings": 0, "tickets": 0, "cents": 0, "ended": 0}
    for sum_ in sums:
        if sum_["_id"]["status"] == rules.CONFIRMED:
            row["bookings"] = sum_["bookings"]
            row["tickets"] = sum_["tickets"]
            row["cents"] = sum_["cents"]
        else:
            row["ended"] += sum_["bookings"]
    return row


def _report(
    period: ReportPeriod,
    organizer: Recipient,
    rows: Sequence[SalesRow],
    currency: str,
    now: datetime,
) -> NewNotification:
    cents = sum(row["cents"] for row in rows)
    return NewNotification(
        key=f"report:{period.key}:{organizer.id}",
        kind="report",
        recipient=organizer,
        occurred_at=now,
        data={"period": period.name, "from": period.first_day, "to": period.last_day},
        mail_data={
            "rows": [_report_row(row) for row in rows],
            "bookings": sum(row["bookings"] for row in rows),
            "tickets": sum(row["tickets"] for row in rows),
            "revenue": rules.from_cents(cents),
            "ended": sum(row["ended"] for row in rows),
            "currency": currency,
        },
        in_app=False,
    )


def _report_row(row: SalesRow) -> ReportRow:
    return {
        "title": row["title"],
        "bookings": row["bookings"],
        "tickets": row["tickets"],
        "revenue": rules.from_cents(row["cents"]),
        "ended": row["ended"],
    }
