"""Notify holders of changes of their bookings, and send organizers reports of their sales.

A change of a booking adds pending notifications to it (see `bookings.store`), and the worker writes
them here. The worker may be interrupted at any point, and several workers may run at the same time:
every notification has a unique key and is written once.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from bson import ObjectId

from eventapp.accounts import service as accounts
from eventapp.bookings import rules, store, store_due, store_reports
from eventapp.bookings.context import BookingContext
from eventapp.bookings.types import SalesRow, SalesSum, StoredBooking
from eventapp.core.clock import start_clock
from eventapp.core.failpoints import failpoint
from eventapp.due_work.service import DueRun, PartsFailed, process_due
from eventapp.events import alerts as event_alerts
from eventapp.events.types import OrganizerEvent, RescheduledEvent
from eventapp.inventory.service import start_of_day
from eventapp.notifications import service as notifications
from eventapp.notifications.types import Attachment, Facts, NewNotification, Recipient, ReportRow

BATCH_SIZE = 200
# Batches of bookings that one run notifies of, so that schedule changes are not delayed for long.
MAX_BATCHES = 25
DAY = timedelta(days=1)


# Notifications to holders.


def notify_holders(context: BookingContext, now: datetime) -> int:
    """Write all pending notifications to holders; return how many were written."""
    clock, written = start_clock(now), 0
    run = DueRun(context.db, "notification", now)
    for _batch in range(MAX_BATCHES):
        bookings = store_due.find_with_pending_notifications(context.db, BATCH_SIZE, run.waiting)
        written += run.process(
            bookings,
            get_key=_get_id,
            handle=lambda booking: _notify_of_bookings(context, [booking], clock()),
            handle_together=lambda batch: _notify_of_bookings(context, batch, clock()),
        )
        if len(bookings) < BATCH_SIZE:
            run.forget_absent()
            break
    return written + _notify_of_schedule_changes(context, now)


def _get_id(booking: StoredBooking) -> ObjectId:
    return booking["_id"]


def _notify_of_bookings(
    context: BookingContext, bookings: Sequence[StoredBooking], now: datetime
) -> int:
    holders = accounts.find_recipients(context.db, _collect_holder_ids(bookings))
    pending = [
        _build_booking_notification(context, booking, kind, due_since, holders[user_id])
        for booking in bookings
        if (user_id := booking["userId"]) and user_id in holders
        for kind, due_since in rules.get_pending_notifications(booking).items()
        if rules.is_worth_notifying(kind, booking)
    ]
    written = notifications.notify(context.db, context.outbox.base_url, pending, now)
    failpoint("notified")
    store_due.clear_pending_notifications(context.db, bookings)
    return written


def _collect_holder_ids(bookings: Iterable[StoredBooking]) -> set[ObjectId]:
    return {booking["userId"] for booking in bookings if booking["userId"]}


def _build_booking_notification(
    context: BookingContext,
    booking: StoredBooking,
    kind: str,
    due_since: datetime,
    holder: Recipient,
) -> NewNotification:
    codes, files = _build_attachments(context, booking, kind, due_since)
    return NewNotification(
        key=f"booking:{booking['_id']}:{kind}",
        kind=kind,
        recipient=holder,
        occurred_at=due_since,
        data=_render_facts(booking),
        mail_data={
            "items": booking["items"],
            "totalPrice": booking["totalPrice"],
            "codes": codes,
        },
        attachments=files,
    )


def _build_attachments(
    context: BookingContext, booking: StoredBooking, kind: str, now: datetime
) -> tuple[list[str], tuple[Attachment, ...]]:
    """Return the ticket codes and files for the mail of a confirmation.

    There are none for other mails, or if the booking has ended since.
    """
    has_tickets = kind == rules.BOOKING_CONFIRMED and booking["status"] == rules.CONFIRMED
    if context.ticket_attachments and has_tickets:
        return context.ticket_attachments(context, booking, now)
    return [], ()


def _render_facts(booking: StoredBooking) -> Facts:
    """Return the facts about a booking that the app shows with a notification."""
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


def _notify_of_schedule_changes(context: BookingContext, now: datetime) -> int:
    """Notify the holders of bookings of events whose schedule changed; return how many."""
    clock = start_clock(now)
    bookings_run = DueRun(context.db, "schedule change of booking", now)
    return process_due(
        context.db,
        "schedule change",
        now,
        find=partial(event_alerts.find_schedule_changes, context.db),
        limit=BATCH_SIZE,
        get_key=lambda event: event["eventId"],
        handle=lambda event: _notify_of_event_change(context, event, bookings_run, clock()),
    )


def _notify_of_event_change(
    context: BookingContext, event: RescheduledEvent, run: DueRun, now: datetime
) -> int:
    """Notify the holders whose booked date or location is no longer in the event's schedule.

    Returns:
        How many notifications were written.

    Raises:
        PartsFailed: some holders could not be notified, but all others are. The change stays
            recorded, and is tried again for all; nobody is notified twice.
    """
    written, failed_before = 0, len(run.waiting)
    active = {"eventId": event["eventId"], "active": True}
    for batch in store.iterate_batches(context.db, active, BATCH_SIZE):
        written += run.process(
            batch,
            get_key=_get_id,
            handle=lambda booking: _notify_of_move(context, event, [booking], now),
            handle_together=lambda bookings: _notify_of_move(context, event, bookings, now),
        )
    if len(run.waiting) > failed_before:
        raise PartsFailed(f"{len(run.waiting) - failed_before} bookings")
    event_alerts.clear_schedule_changes(context.db, event)
    return written


def _notify_of_move(
    context: BookingContext,
    event: RescheduledEvent,
    bookings: Sequence[StoredBooking],
    now: datetime,
) -> int:
    moved = [
        booking
        for booking in bookings
        if not event_alerts.has_entry(event, booking["date"], booking["location"])
    ]
    holders = accounts.find_recipients(context.db, _collect_holder_ids(moved))
    pending = [
        _build_change_notification(event, booking, holders[user_id])
        for booking in moved
        if (user_id := booking["userId"]) and user_id in holders
    ]
    return notifications.notify(context.db, context.outbox.base_url, pending, now)


def _build_change_notification(
    event: RescheduledEvent, booking: StoredBooking, holder: Recipient
) -> NewNotification:
    last_change = event_alerts.find_last_schedule_change(event)
    return NewNotification(
        key=f"event:{event['eventId']}:{last_change['rev']}:{booking['_id']}",
        kind="event_changed",
        recipient=holder,
        occurred_at=last_change["at"],
        data={**_render_facts(booking), "schedule": event_alerts.present_schedule(event)},
    )


# Reports to organizers.


@dataclass(frozen=True)
class ReportPeriod:
    """A day or a week in UTC.

    Attributes:
        name: `daily` or `weekly`.
        since: its first moment, a midnight.
        until: the midnight that follows it.
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
        """The key under which the period is recorded as reported."""
        return f"{self.name}:{self.first_day}"


def find_finished_periods(now: datetime) -> list[ReportPeriod]:
    """Return yesterday, and the last week (Monday to Sunday) that is over."""
    today = start_of_day(now)
    monday = today - now.weekday() * DAY
    return [
        ReportPeriod("daily", today - DAY, today),
        ReportPeriod("weekly", monday - 7 * DAY, monday),
    ]


def send_reports(context: BookingContext, now: datetime) -> int:
    """Write the reports of the last finished day and week, once each; return how many reports."""
    reports = 0
    for period in find_finished_periods(now):
        if not store_reports.is_period_reported(context.db, period.key):
            reports += _send_period_reports(context, period, now)
            store_reports.record_period_reported(context.db, period.key, now)
    return reports


def _send_period_reports(context: BookingContext, period: ReportPeriod, now: datetime) -> int:
    rows = _collect_rows(context, period)
    organizer_ids, reports = sorted(rows), 0
    for start in range(0, len(organizer_ids), BATCH_SIZE):
        batch = organizer_ids[start : start + BATCH_SIZE]
        pending = [
            _build_report(period, organizer, rows[id_], context.limits.currency, now)
            for id_, organizer in accounts.find_recipients(context.db, batch).items()
        ]
        notifications.notify(context.db, context.outbox.base_url, pending, now)
        reports += len(pending)
    return reports


def _collect_rows(context: BookingContext, period: ReportPeriod) -> dict[ObjectId, list[SalesRow]]:
    """Return a row for each event with bookings in the period, by the id of its organizer."""
    rows: dict[ObjectId, list[SalesRow]] = {}
    last_id = 0
    while batch := event_alerts.find_organizer_events(
        context.db, last_id, period.since, BATCH_SIZE
    ):
        last_id = batch[-1]["eventId"]
        for event, row in _iterate_rows(context, batch, period):
            rows.setdefault(event["organizerId"], []).append(row)
    return rows


def _iterate_rows(
    context: BookingContext, batch: Sequence[OrganizerEvent], period: ReportPeriod
) -> Iterator[tuple[OrganizerEvent, SalesRow]]:
    event_ids = [event["eventId"] for event in batch]
    sums: dict[int, list[SalesSum]] = {}
    for sales in store_reports.sum_sales(context.db, event_ids, period.since, period.until):
        sums.setdefault(sales["_id"]["event"], []).append(sales)
    for event in batch:
        if event["eventId"] in sums:
            yield event, build_sales_row(event["title"], sums[event["eventId"]])


def build_sales_row(title: str, sums: Iterable[SalesSum]) -> SalesRow:
    """Return the row of an event: its confirmed bookings, and how many bookings have ended."""
    row: SalesRow = {"title": title, "bookings": 0, "tickets": 0, "cents": 0, "ended": 0}
    for sales in sums:
        if sales["_id"]["status"] == rules.CONFIRMED:
            row["bookings"] = sales["bookings"]
            row["tickets"] = sales["tickets"]
            row["cents"] = sales["cents"]
        else:
            row["ended"] += sales["bookings"]
    return row


def _build_report(
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
            "rows": [_render_report_row(row) for row in rows],
            "bookings": sum(row["bookings"] for row in rows),
            "tickets": sum(row["tickets"] for row in rows),
            "revenue": rules.from_cents(cents),
            "ended": sum(row["ended"] for row in rows),
            "currency": currency,
        },
        in_app=False,
    )


def _render_report_row(row: SalesRow) -> ReportRow:
    return {
        "title": row["title"],
        "bookings": row["bookings"],
        "tickets": row["tickets"],
        "revenue": rules.from_cents(row["cents"]),
        "ended": row["ended"],
    }
