"""Ask the provider what became of attempts, so that no answer and no event needs to arrive.

`reconcileAt` of a booking says when. It is set when an attempt begins, and again as long as money
may come; to the present when a hold ends whose attempt could still be paid, so that the provider
cancels it; and when a fee is still to be learned.
"""

import time
from datetime import datetime

from bson import ObjectId

from eventapp.bookings import rules, store_due, store_payments
from eventapp.bookings.context import BookingContext
from eventapp.bookings.errors import PaymentFailed
from eventapp.bookings.payments import late_payments
from eventapp.bookings.payments.attempts import (
    RECONCILE_AFTER,
    ask_provider,
    cancel_at_provider,
)
from eventapp.bookings.payments.settlement import settle
from eventapp.bookings.service import find_booking
from eventapp.bookings.types import StoredBooking
from eventapp.core.clock import start_clock
from eventapp.due_work.service import DueRun, process_now
from eventapp.payments import states
from eventapp.payments.types import StoredAttempt

# The name of this work in the records of what fails.
PAYMENT_KIND = "payment"
MAX_PER_RUN = 500
# A run asks about no attempt after this time, so that a provider that hangs delays the next little.
RUN_SECONDS = 30.0


def reconcile_payments(context: BookingContext, now: datetime) -> int:
    """Reconcile the payments that are due, the longest due first; return how many."""
    clock, deadline = start_clock(now), time.monotonic() + RUN_SECONDS
    run = DueRun(context.db, PAYMENT_KIND, now)
    bookings = store_due.find_payments_to_reconcile(context.db, now, MAX_PER_RUN, run.waiting)
    reconciled = run.process(
        bookings,
        get_key=lambda booking: booking["_id"],
        handle=lambda booking: _reconcile(context, booking["_id"], clock()),
        is_stopped=lambda: time.monotonic() > deadline,
    )
    if len(bookings) < MAX_PER_RUN and time.monotonic() < deadline:
        run.forget_absent()
    return reconciled


def reconcile_in_request(context: BookingContext, booking_id: ObjectId, now: datetime) -> None:
    """Try once to reconcile the payment of a booking. The request does not fail if that does."""
    process_now(
        context.db, PAYMENT_KIND, booking_id, lambda _key: _reconcile(context, booking_id, now)
    )


def _reconcile(context: BookingContext, booking_id: ObjectId, now: datetime) -> int:
    """Ask the provider about the payment of a booking, and decide when to ask again.

    Raises:
        PaymentUnavailable, ProviderUnavailable: the provider does not answer.
    """
    before = find_booking(context, booking_id)
    after = _take_step(context, before, now)
    store_payments.set_reconcile_time(context.db, after, _find_next_time(before, after, now))
    return 1


def _take_step(context: BookingContext, booking: StoredBooking, now: datetime) -> StoredBooking:
    """Do what is next for the payment of a booking; return the booking as it is then."""
    payment = booking.get("payment")
    if states.find_late_attempt(payment):
        return late_payments.decide(context, booking["_id"], now)
    if attempt := states.find_payable_attempt(payment):
        return _ask(context, booking, attempt, now)
    if attempt := states.find_attempt_without_fee(payment):
        return _ask(context, booking, attempt, now)
    return booking


def _find_next_time(before: StoredBooking, after: StoredBooking, now: datetime) -> datetime | None:
    """Return when to ask again; None for never."""
    # A payment that was not open was just asked for its fee, which is done once.
    needs_fee = _is_open(before) and states.find_attempt_without_fee(after.get("payment"))
    return now + RECONCILE_AFTER if needs_fee or _is_open(after) else None


def _is_open(booking: StoredBooking) -> bool:
    """Return whether money may still come for a booking, or has come late and is not decided on."""
    payment = booking.get("payment")
    is_late = states.find_late_attempt(payment) is not None
    return is_late or states.find_payable_attempt(payment) is not None


def _ask(
    context: BookingContext, booking: StoredBooking, attempt: StoredAttempt, now: datetime
) -> StoredBooking:
    """Bring what the provider says of an attempt into the booking; cancel it if the hold is over.

    A hold whose time is over is still stored as held until the worker has expired it.
    """
    is_over = not booking["active"] or (
        booking["status"] == rules.HELD and not rules.is_open_hold(booking, now)
    )
    try:
        if is_over and states.is_payable(attempt):
            seen = cancel_at_provider(context, booking, attempt)
        else:
            seen = ask_provider(context, booking, attempt, now)
    except PaymentFailed:  # The provider has no payment, and ask_provider has recorded it.
        return find_booking(context, booking["_id"])
    return settle(context, booking["_id"], attempt["attemptId"], seen, now)
