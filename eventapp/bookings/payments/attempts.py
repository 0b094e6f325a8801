"""Record attempts to pay for a booking, and what the provider says of them.

An attempt is recorded in the booking before the provider is asked, by a write that is guarded by
the revision of the payment. So whatever a process does before it dies, the worker finds the
attempt and asks the provider what became of it (`reconciliation`).
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from bson import ObjectId

from eventapp.bookings import rules, store_payments
from eventapp.bookings.context import BookingContext
from eventapp.bookings.errors import PaymentFailed, ProviderUnavailable
from eventapp.bookings.ledger.entries import build_fee_entries
from eventapp.bookings.payments.charges import describe_attempt
from eventapp.bookings.service import find_booking
from eventapp.bookings.types import StoredBooking
from eventapp.core.failpoints import failpoint
from eventapp.core.metrics import PAYMENT_ATTEMPTS
from eventapp.payments import states
from eventapp.payments.provider import (
    PaymentProvider,
    PaymentRefused,
    PaymentUnavailable,
    ProviderPayment,
)
from eventapp.payments.types import StoredAttempt

# After this time the worker asks the provider about an attempt, and after the same time again.
RECONCILE_AFTER = timedelta(minutes=2)


def begin_attempt(
    context: BookingContext, booking: StoredBooking, request: str | None, now: datetime
) -> tuple[StoredBooking, StoredAttempt] | None:
    """Record the next attempt to pay for a hold. No earlier one may be payable any more.

    Args:
        request: the digest of the user and the Idempotency-Key; None without one.

    Returns:
        The booking and its attempt; None, with nothing written, if the hold has ended or another
        request has changed the booking.
    """
    cents, provider = booking["totalCents"], context.payments.current.name
    attempt = states.build_attempt(ObjectId(), provider, cents, now, request)
    fields = {
        "payment": states.add_attempt(booking.get("payment"), attempt),
        "reconcileAt": now + RECONCILE_AFTER,
    }
    is_open = {"expiresAt": {"$gt": now}, "quantity": booking["quantity"]}
    begun = store_payments.update_payment(context.db, booking, fields, where=is_open)
    if begun is None:
        return None
    failpoint("attempt-begun")
    return begun, attempt


def ask_provider(
    context: BookingContext, booking: StoredBooking, attempt: StoredAttempt, now: datetime
) -> ProviderPayment:
    """Return what the provider says of an attempt; it creates the payment if it has none yet.

    Raises:
        PaymentFailed: the provider refused to create the payment. This is recorded.
        ProviderUnavailable: the provider does not answer. This is recorded.
    """
    provider, described = _find(context, attempt), describe_attempt(booking, attempt)
    ask = provider.fetch if "providerId" in attempt else provider.create
    try:
        seen = ask(described)
    except PaymentRefused as error:
        PAYMENT_ATTEMPTS.labels("refused").inc()
        refuse = partial(states.refuse, reason=error.reason)
        change_attempt(context, booking["_id"], attempt["attemptId"], refuse, now)
        raise PaymentFailed from None
    except PaymentUnavailable:
        PAYMENT_ATTEMPTS.labels("unknown").inc()
        change_attempt(context, booking["_id"], attempt["attemptId"], states.mark_unknown, now)
        raise ProviderUnavailable from None
    failpoint("provider-answered")
    return seen


def cancel_at_provider(
    context: BookingContext, booking: StoredBooking, attempt: StoredAttempt
) -> ProviderPayment:
    """Ask the provider to cancel an attempt, and return what it says of it then.

    Raises:
        PaymentUnavailable: money may still come.
    """
    seen = _find(context, attempt).cancel(describe_attempt(booking, attempt))
    failpoint("provider-answered")
    return seen


def _find(context: BookingContext, attempt: StoredAttempt) -> PaymentProvider:
    return context.payments.find(attempt["provider"])


def change_attempt(
    context: BookingContext,
    booking_id: ObjectId,
    attempt_id: ObjectId,
    change: Callable[[StoredAttempt], StoredAttempt],
    now: datetime,
) -> StoredBooking:
    """Record a change of an attempt that brings no money.

    The fee of an attempt is added to the ledger when it becomes known.

    Args:
        change: returns the changed attempt, or the attempt itself if there is nothing to change. It
            is called again with each new state if other processes change the payment.

    Returns:
        The booking as it is then.
    """
    while True:
        booking = find_booking(context, booking_id)
        stored = states.find_attempt(booking.get("payment"), attempt_id)
        if stored is None or (changed := change(stored)) is stored:
            return booking
        payment = states.replace_attempt(booking["payment"], changed, rules.list_refunds(booking))
        is_new_fee = "feeCents" in changed and "feeCents" not in stored
        entries = build_fee_entries(booking, changed, now) if is_new_fee else []
        recorded = store_payments.update_payment(context.db, booking, {"payment": payment}, entries)
        if recorded:
            return recorded
