"""Bring what a provider says of an attempt into the booking, exactly once.

Requests, webhook events and the worker all come through `settle`, in any order and as often as they
like. Each step is one write, which is guarded by the status of the booking and the revision of its
payment. So when money comes while the hold ends, one of both wins:

* The hold is open: one write records the money and confirms the booking.
* The hold has ended: the money is recorded, and `late_payments` decides whether the tickets can be
  taken again or the money goes back.
* The holder or the organizer has given the booking up: the money goes back.
"""

from datetime import datetime
from functools import partial

from bson import ObjectId

from eventapp.bookings import rules, store, store_moves, store_payments
from eventapp.bookings.context import BookingContext
from eventapp.bookings.errors import AttemptNotFound
from eventapp.bookings.ledger.entries import (
    build_charge_entries,
    build_confirmation_entries,
    build_fee_entries,
)
from eventapp.bookings.payments import late_payments
from eventapp.bookings.payments.attempts import RECONCILE_AFTER, change_attempt
from eventapp.bookings.service import find_booking
from eventapp.bookings.transitions import (
    CHANGE_ATTEMPTS,
    apply_move_if_pending,
    apply_pending_moves,
    expire_hold,
)
from eventapp.bookings.types import StoredBooking
from eventapp.core.database import Query
from eventapp.core.errors import Conflict
from eventapp.core.failpoints import failpoint
from eventapp.core.metrics import PAYMENT_ATTEMPTS
from eventapp.inventory.service import StockMove
from eventapp.payments import states
from eventapp.payments.provider import ProviderPayment
from eventapp.payments.types import StoredAttempt


class UnexpectedAmount(Exception):
    """The provider has taken another amount than it was asked for. An operator must look at it."""


def settle(
    context: BookingContext,
    booking_id: ObjectId,
    attempt_id: ObjectId,
    seen: ProviderPayment,
    now: datetime,
) -> StoredBooking:
    """Bring what a provider says of an attempt into its booking.

    Returns:
        The booking as it is then.

    Raises:
        BookingNotFound, AttemptNotFound: there is no such booking or attempt.
        UnexpectedAmount: another amount came than was asked for. Nothing is written.
        Conflict: other requests kept changing the booking. The worker asks the provider again.
    """
    for _attempt in range(CHANGE_ATTEMPTS):
        booking = find_booking(context, booking_id)
        attempt = states.find_attempt(booking.get("payment"), attempt_id)
        if attempt is None:
            raise AttemptNotFound
        followed = states.follow(attempt, seen, now)
        if not states.has_paid(followed) or states.has_paid(attempt):
            _count_outcome(attempt, followed)
            follow = partial(states.follow, seen=seen, now=now)
            return change_attempt(context, booking_id, attempt_id, follow, now)
        if seen.cents != attempt["cents"]:
            raise UnexpectedAmount(f"{seen.cents} cents instead of {attempt['cents']}")
        if settled := _settle_success(context, booking, followed, now):
            PAYMENT_ATTEMPTS.labels("succeeded").inc()
            return settled
        apply_move_if_pending(context, booking_id, now)
    raise Conflict("The booking is being changed; try again")


def _count_outcome(before: StoredAttempt, after: StoredAttempt) -> None:
    if after["state"] in ("refused", "cancelled") and after["state"] != before["state"]:
        PAYMENT_ATTEMPTS.labels(after["state"]).inc()


def _settle_success(
    context: BookingContext, booking: StoredBooking, attempt: StoredAttempt, now: datetime
) -> StoredBooking | None:
    """Record that the money of an attempt came, and what becomes of it.

    Returns:
        The booking after that; None if it has changed since it was read, or was just expired.
    """
    is_last = booking["payment"]["attempts"][-1]["attemptId"] == attempt["attemptId"]
    if not is_last or "givenUpAt" in attempt or booking["status"] == rules.CONFIRMED:
        return late_payments.refund_second_payment(context, booking, attempt, now)
    if rules.is_open_hold(booking, now):
        return confirm_hold(context, booking, attempt, now)
    if booking["status"] == rules.HELD:
        expire_hold(context, booking, now)
        return None
    if booking["status"] == rules.CANCELLED:
        return late_payments.refund_late_payment(context, booking, attempt, now)
    late = record_late_payment(context, booking, attempt, now)
    return late_payments.decide(context, late["_id"], now) if late else None


def confirm_hold(
    context: BookingContext,
    booking: StoredBooking,
    attempt: StoredAttempt | None,
    now: datetime,
) -> StoredBooking | None:
    """Confirm an open hold and sell its tickets.

    Args:
        attempt: the attempt that has paid for it; None for a free one.

    Returns:
        The confirmed booking; None, with nothing written, if it has changed since it was read, its
        hold has ended, or its last stock move is pending.
    """
    sold = rules.collect_quantities(booking["items"])
    move = StockMove.for_confirmation(str(booking["_id"]), sold)
    fields: Query = {
        "status": rules.CONFIRMED,
        "expiresAt": None,
        "updatedAt": now,
        **store_moves.build_pending_move_fields(move.key, move.changes, "confirmed"),
        **rules.build_pending_notification_fields(rules.BOOKING_CONFIRMED, now),
    }
    entries = build_confirmation_entries(booking, attempt, now)
    removed = ["reconcileAt"]
    if attempt:
        fields["payment"] = states.replace_attempt(booking["payment"], attempt)
        entries += build_fee_entries(booking, attempt, now)
        if "feeCents" not in attempt:  # The worker asks for it.
            fields["reconcileAt"], removed = now + RECONCILE_AFTER, []
    unchanged = {**store.build_unchanged_guard(booking), "expiresAt": {"$gt": now}}
    confirmed = store.update_booking(
        context.db, booking["_id"], unchanged, fields, entries, removed=removed
    )
    if confirmed is None:
        return None
    failpoint("confirm")
    if "waitlistEntryId" in confirmed:  # An offer counts as a booking once it is accepted.
        event = context.inventory.get_sale_state(confirmed["eventId"])
        context.report_booked(event, sold)
    apply_pending_moves(context, [confirmed], now)
    return find_booking(context, booking["_id"])


def record_late_payment(
    context: BookingContext, booking: StoredBooking, attempt: StoredAttempt, now: datetime
) -> StoredBooking | None:
    """Record money that came after a hold had expired, before it is decided what becomes of it.

    Returns:
        The booking after that; None, with nothing written, if it has changed since it was read.
    """
    late: StoredAttempt = {**attempt, "lateAt": now}
    fields = {
        "payment": states.replace_attempt(booking["payment"], late, rules.list_refunds(booking)),
        "reconcileAt": now,
    }
    entries = build_charge_entries(booking, attempt, now) + build_fee_entries(booking, attempt, now)
    recorded = store_payments.update_payment(context.db, booking, fields, entries)
    if recorded:
        failpoint("late-payment")
    return recorded
