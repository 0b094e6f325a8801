"""Notify holders of changes of their bookings.

A change of a booking adds pending notifications to it (see `bookings.store`), and the worker writes
them here. The worker may be interrupted at any point, and several workers may run at the same time:
every notification has a unique key and is written once.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from bson import ObjectId

from eventapp.accounts import service as accounts
from eventapp.bookings import rules, service, store, store_due
from eventapp.bookings.booked_entries import find_outdated, follow_events, refresh_copies
from eventapp.bookings.context import BookingContext
from eventapp.bookings.errors import MailSentLately, NotConfirmed
from eventapp.bookings.recovery import ABANDONED_AFTER
from eventapp.bookings.types import StoredBooking
from eventapp.core.access.actor import Actor
from eventapp.core.clock import start_clock
from eventapp.core.failpoints import failpoint
from eventapp.due_work.service import DueRun, PartsFailed, process_due
from eventapp.events import alerts as event_alerts
from eventapp.events.types import RescheduledEvent
from eventapp.notifications import service as notifications
from eventapp.notifications.types import (
    Attachment,
    Facts,
    MailTicket,
    NewNotification,
    Recipient,
)
from eventapp.waitlist import notifications as waitlist_notifications

BATCH_SIZE = 200
# Batches of bookings that one run notifies of, so that schedule changes are not delayed for long.
MAX_BATCHES = 25
DAY = timedelta(days=1)
# The tickets of a booking are sent again once in each of these windows.
RESEND_WINDOW = timedelta(minutes=10)
# The kinds of notifications whose mail removes the calendar entry that an earlier mail had.
CANCELLATIONS = ("booking_cancelled", "event_cancelled")


# Notifications to holders.


def send_tickets_again(
    context: BookingContext, booking_id: ObjectId, actor: Actor, now: datetime
) -> None:
    """Write the mail with the tickets of a confirmed booking once more, to its holder.

    The holder may ask for it, and whoever manages the event. Nothing is written while the first
    mail waits to be written. The key of a mail has the RESEND_WINDOW in it, so that each window has
    one at most, however many requests run at once.

    Raises:
        BookingNotFound: there is no such booking, or the caller may not see it.
        NotConfirmed: it has no valid tickets, or its holder has no account any more.
        MailSentLately: the mail was written in this window already.
    """
    booking = service.find_visible_booking(context, booking_id, actor)
    (booking,) = follow_events(context.db, [booking])
    holders = accounts.find_recipients(context.db, _collect_holder_ids([booking]))
    holder = holders.get(booking["userId"]) if booking["userId"] else None
    if booking["status"] != rules.CONFIRMED or holder is None:
        raise NotConfirmed
    if rules.BOOKING_CONFIRMED in booking.get("tell", {}):
        return
    mail = _build_booking_notification(context, booking, rules.BOOKING_CONFIRMED, now, holder)
    window, passed = divmod(now.timestamp(), RESEND_WINDOW.total_seconds())
    mail = replace(mail, key=f"booking:{booking_id}:again:{int(window)}")
    if not notifications.write_mail(context.db, context.outbox.base_url, mail, now):
        retry_after = math.ceil(RESEND_WINDOW.total_seconds() - passed)
        raise MailSentLately(retry_after=retry_after)


def notify_holders(context: BookingContext, now: datetime) -> int:
    """Write all pending notifications to holders and waiting users; return how many."""
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
    written += _notify_of_schedule_changes(context, now)
    return written + waitlist_notifications.notify_waiters(
        context.db, context.outbox.base_url, clock()
    )


def _get_id(booking: StoredBooking) -> ObjectId:
    return booking["_id"]


def _notify_of_bookings(
    context: BookingContext, bookings: Sequence[StoredBooking], now: datetime
) -> int:
    holders = accounts.find_recipients(context.db, _collect_holder_ids(bookings))
    pending = [
        _build_booking_notification(context, booking, kind, due_since, holders[user_id])
        for booking in follow_events(context.db, bookings)
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
    key, facts = f"booking:{booking['_id']}:{kind}", _render_facts(booking)
    if cancellation := rules.find_notified_cancellation(booking, kind):
        kind, refund = rules.TICKETS_CANCELLED, cancellation["refund"]
        facts["left"] = rules.count_left_after(booking, cancellation)
        facts["quantity"] = len(cancellation["places"])
        facts["refund"] = refund["amount"] if refund else None
    tickets, files = _build_attachments(context, booking, kind)
    return NewNotification(
        key=key,
        kind=kind,
        recipient=holder,
        occurred_at=due_since,
        data=facts,
        mail_data={
            "items": booking["items"],
            "totalPrice": booking["totalPrice"],
            "discount": rules.from_cents(booking.get("discountCents", 0)),
            "promoCode": booking.get("promoCode", ""),
            "ticketList": tickets,
            "linkVersion": booking.get("linkVersion", 0),
        },
        attachments=files,
    )


def _build_attachments(
    context: BookingContext, booking: StoredBooking, kind: str
) -> tuple[list[MailTicket], tuple[Attachment, ...]]:
    """Return the tickets and files for the mail of a confirmation or cancellation.

    A mail about cancelled tickets has those that are left. There are none for other
    mails, or if the booking has ended since.
    """
    has_tickets = kind in (rules.BOOKING_CONFIRMED, rules.TICKETS_CANCELLED)
    is_confirmed = has_tickets and booking["status"] == rules.CONFIRMED
    if context.ticket_attachments and (is_confirmed or kind in CANCELLATIONS):
        return context.ticket_attachments(context, booking)
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
        "startsAt": booking.get("startsAt"),
        "timezone": booking.get("timezone"),
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
        find=partial(event_alerts.find_schedule_changes, context.db, now),
        limit=BATCH_SIZE,
        get_key=lambda event: event["eventId"],
        handle=lambda event: _notify_of_event_change(context, event, bookings_run, clock()),
    )


def _notify_of_event_change(
    context: BookingContext, event: RescheduledEvent, run: DueRun, now: datetime
) -> int:
    """Notify the holders whose schedule entry was moved, and refresh the copies of their bookings.

    A sale that was in flight during the edit may record its booking with the old copy afterwards.
    So the change is handled a second time, after ABANDONED_AFTER, before it is cleared.

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
    recorded_until = event_alerts.find_last_schedule_change(event)["at"] + ABANDONED_AFTER
    if now < recorded_until:
        event_alerts.postpone_schedule_changes(context.db, event, recorded_until)
    else:
        event_alerts.clear_schedule_changes(context.db, event)
    return written


def _notify_of_move(
    context: BookingContext,
    event: RescheduledEvent,
    bookings: Sequence[StoredBooking],
    now: datetime,
) -> int:
    """Notify the holders of those of these bookings whose entry was moved; return how many.

    The copies are refreshed afterwards, because they tell which bookings were moved: if the process
    dies in between, the next run finds the same bookings.
    """
    moved = find_outdated(bookings, event["schedule"])
    # An older version has booked without the id of the entry.
    missed = [
        booking
        for booking in bookings
        if booking.get("scheduleId") is None
        and not event_alerts.has_entry(event, booking["date"], booking["location"])
    ]
    holders = accounts.find_recipients(context.db, _collect_holder_ids([*moved, *missed]))
    pending = [
        _build_change_notification(context, event, booking, holders[user_id])
        for booking in (*moved, *missed)
        if (user_id := booking["userId"]) and user_id in holders
    ]
    written = notifications.notify(context.db, context.outbox.base_url, pending, now)
    failpoint("moves-notified")
    refresh_copies(context.db, moved)
    return written


def _build_change_notification(
    context: BookingContext,
    event: RescheduledEvent,
    booking: StoredBooking,
    holder: Recipient,
) -> NewNotification:
    files: tuple[Attachment, ...] = ()
    if context.ticket_attachments:
        _tickets, files = context.ticket_attachments(context, booking)
    last_change = event_alerts.find_last_schedule_change(event)
    return NewNotification(
        key=f"event:{event['eventId']}:{last_change['rev']}:{booking['_id']}",
        kind="event_changed",
        recipient=holder,
        occurred_at=last_change["at"],
        data={**_render_facts(booking), "schedule": event_alerts.present_schedule(event)},
        mail_data={"linkVersion": booking.get("linkVersion", 0)},
        attachments=files,
    )
