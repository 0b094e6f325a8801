"""Decide what becomes of money that came after a hold had ended.

If the hold has expired, its tickets are taken again where anybody could book them: the event and
the entry are not over, every stock has room, the promo code has a use left, nobody waits, and the
holder has no other active booking of the event. Prices and discounts stay as they were, and sale
windows are not asked. Otherwise the money goes back, and the holder is told.

**Taking again.** The tickets are taken under the key `retake-<bookingId>-<attemptId>-<takeId>`.
Then one write of the booking confirms it, and records the attempt in `retakenBy` and the take in
`retakeId`. If the process dies in between, the worker finds the in-flight entry. It marks the
attempt as void in the booking, so that a process that was only suspended can no longer confirm the
booking by it, and then undoes the take (`bookings.recovery`).

Each take has an id of its own, because a process may wake up when another one has already taken the
tickets, confirmed the booking and cleared its entry. What it takes then is undone, not counted.
"""

from datetime import datetime

from bson import ObjectId

from eventapp.bookings import rules, store, store_payments
from eventapp.bookings.context import BookingContext
from eventapp.bookings.ledger.entries import (
    build_charge_entries,
    build_fee_entries,
    build_retake_entries,
)
from eventapp.bookings.payments.attempts import RECONCILE_AFTER
from eventapp.bookings.payments.refunds import pay_in_request
from eventapp.bookings.sales.ticket_limit import await_offers
from eventapp.bookings.service import find_booking
from eventapp.bookings.transitions import CHANGE_ATTEMPTS, apply_move_if_pending
from eventapp.bookings.types import StoredBooking
from eventapp.core.database import Query
from eventapp.core.errors import AppError, Conflict
from eventapp.core.failpoints import failpoint
from eventapp.inventory.service import TicketRequest, fold_code, make_retake_key
from eventapp.payments import states
from eventapp.payments.types import StoredAttempt


def decide(context: BookingContext, booking_id: ObjectId, now: datetime) -> StoredBooking:
    """Take the tickets again for a payment that came late, or pay it back.

    Returns:
        The booking as it is then. Nothing is decided if another process is taking the tickets at
        this moment.

    Raises:
        EventBusy, EventClosed, OfferUnderWay, Conflict: nothing is decided; the worker tries again.
    """
    for _attempt in range(CHANGE_ATTEMPTS):
        apply_move_if_pending(context, booking_id, now)
        booking = find_booking(context, booking_id)
        attempt = states.find_late_attempt(booking.get("payment"))
        if attempt is None or _is_retake_under_way(context, booking, attempt):
            return booking
        take_id = str(ObjectId())
        if _take_again(context, booking, attempt, take_id, now):
            confirmed = _confirm(context, booking, attempt, take_id, now)
        elif _is_retake_under_way(context, booking, attempt):  # It has the tickets that lack here.
            return booking
        else:
            confirmed = refund_late_payment(context, booking, attempt, now)
        if confirmed:
            return confirmed
    raise Conflict("The booking is being changed; try again")


def _make_key(booking: StoredBooking, attempt: StoredAttempt, take_id: str = "") -> str:
    return make_retake_key(str(booking["_id"]), str(attempt["attemptId"]), take_id)


def _is_retake_under_way(
    context: BookingContext, booking: StoredBooking, attempt: StoredAttempt
) -> bool:
    event = context.inventory.in_flight_entries.find_event(booking["eventId"])
    prefix = _make_key(booking, attempt)
    return event is not None and any(key.startswith(prefix) for key in event["inFlight"])


def _take_again(
    context: BookingContext,
    booking: StoredBooking,
    attempt: StoredAttempt,
    take_id: str,
    now: datetime,
) -> bool:
    """Take the tickets of an expired booking again; return False if they cannot be had."""
    user_id, event_id = booking["userId"], booking["eventId"]
    if user_id is None or store.find_active_bookings(context.db, user_id, event_id):
        return False
    items = rules.collect_quantities(booking["items"])
    request = TicketRequest(
        booking_id=str(booking["_id"]),
        items=items,
        schedule_id=booking.get("scheduleId") or 0,
        requester=str(user_id),
        promo_code=fold_code(booking.get("promoCode", "")),
        attempt_id=str(attempt["attemptId"]),
        take_id=take_id,
    )
    try:
        allocation, _event = context.inventory.take(event_id, request, now)
    except AppError as error:
        if error.status >= 500:  # It may succeed later.
            raise
        return False
    if allocation.taken != items:
        return False
    failpoint("retake")
    return _keep_limit(context, booking, request.key)


def _keep_limit(context: BookingContext, booking: StoredBooking, key: str) -> bool:
    """Return whether the holder has no other active booking; if there is one, undo the take.

    As `ticket_limit` explains, the search counts only after the take.

    Raises:
        OfferUnderWay: an offer to the holder takes long. The take is undone.
    """
    user_id, event_id = booking["userId"], booking["eventId"]
    is_kept = False
    try:
        if user_id is not None:
            await_offers(context, user_id, event_id)
            is_kept = not store.find_active_bookings(context.db, user_id, event_id)
    finally:
        if not is_kept:
            context.inventory.undo(event_id, key)
    return is_kept


def _confirm(
    context: BookingContext,
    booking: StoredBooking,
    attempt: StoredAttempt,
    take_id: str,
    now: datetime,
) -> StoredBooking | None:
    """Confirm an expired booking for which the tickets were just taken again.

    Returns:
        The confirmed booking; None, with the tickets given back, if the booking has changed or its
        holder has made another one.
    """
    kept = states.keep_late_money(attempt)
    fields: Query = {
        "status": rules.CONFIRMED,
        "active": True,
        "expiresAt": None,
        "updatedAt": now,
        "retakenBy": attempt["attemptId"],
        "retakeId": take_id,
        # An offer becomes a purchase, so that its holder cannot purchase at the same time.
        "slot": rules.DIRECT_SLOT,
        "payment": states.replace_attempt(booking["payment"], kept),
        **rules.build_pending_notification_fields(rules.BOOKING_CONFIRMED, now),
    }
    entries = build_retake_entries(booking, now)
    confirmed = store_payments.reactivate(context.db, booking, fields, entries)
    key = _make_key(booking, attempt, take_id)
    if confirmed is None:
        context.inventory.undo(booking["eventId"], key)
        return None
    failpoint("retake-confirmed")
    context.inventory.allow_clearing(booking["eventId"], [key])
    return confirmed


def give_up_retake(
    context: BookingContext,
    booking_id: ObjectId,
    attempt_id: ObjectId,
    take_id: str | None,
    now: datetime,
) -> bool:
    """Make sure that a take for a late attempt can no longer confirm its booking, unless it has.

    Args:
        take_id: hex id of the take; None if the key of its entry has none.

    Returns:
        True if the booking was confirmed by it, so that the take counts; False if the take is to be
        undone.
    """
    for _attempt in range(CHANGE_ATTEMPTS):
        booking = store.find_booking(context.db, booking_id)
        if booking is None:
            return False
        if booking.get("retakenBy") == attempt_id and booking.get("retakeId") == take_id:
            return True
        attempt = states.find_attempt(booking.get("payment"), attempt_id)
        if attempt is None or "lateAt" not in attempt:
            return False
        if refund_late_payment(context, booking, attempt, now):
            return False
    raise Conflict("The booking is being changed; try again")


def refund_late_payment(
    context: BookingContext, booking: StoredBooking, attempt: StoredAttempt, now: datetime
) -> StoredBooking | None:
    """Pay back money that came for a booking that has ended, and tell its holder.

    Args:
        attempt: the attempt as it is now; a success that the booking has not recorded is recorded.

    Returns:
        The booking after that; None, with nothing written, if it has changed since it was read.
    """
    refund = rules.build_refund(attempt["cents"], booking["currency"], "hold_expired", now)
    if booking["refund"]:
        return refund_second_payment(context, booking, attempt, now)
    fields = {
        "refund": refund,
        "refundDueAt": now,
        "payment": states.replace_attempt(
            booking["payment"], states.void(attempt, now), [*rules.list_refunds(booking), refund]
        ),
        **rules.build_pending_notification_fields(rules.PAYMENT_REFUNDED, now),
    }
    return _pay_back(context, booking, attempt, fields, now)


def refund_second_payment(
    context: BookingContext, booking: StoredBooking, attempt: StoredAttempt, now: datetime
) -> StoredBooking | None:
    """Pay back money that came for an attempt that was given up, and tell the holder.

    Returns:
        The booking after that; None, with nothing written, if it has changed since it was read.
    """
    refund = rules.build_refund(attempt["cents"], booking["currency"], "paid_twice", now)
    fields = {
        "refundDueAt": now,
        "payment": states.replace_attempt(
            booking["payment"], states.void(attempt, now, refund), rules.list_refunds(booking)
        ),
        **rules.build_pending_notification_fields(rules.PAYMENT_REFUNDED, now),
    }
    return _pay_back(context, booking, attempt, fields, now)


def _pay_back(
    context: BookingContext,
    booking: StoredBooking,
    attempt: StoredAttempt,
    fields: Query,
    now: datetime,
) -> StoredBooking | None:
    stored = states.find_attempt(booking["payment"], attempt["attemptId"])
    entries = []
    if stored and stored["state"] != "succeeded":
        entries = build_charge_entries(booking, attempt, now)
        entries += build_fee_entries(booking, attempt, now)
        fields["reconcileAt"] = now + RECONCILE_AFTER  # For the fee.
    if not store_payments.update_payment(context.db, booking, fields, entries):
        return None
    failpoint("late-refund")
    pay_in_request(context, booking["_id"], now)
    return find_booking(context, booking["_id"])
