"""Pay refunds apart from the stock, each as often as it takes and only once.

The write that ends a booking or cancels some of its tickets also decides the refund and sets
`refundDueAt`. The stock move never waits for the money: the request that cancels tries once to pay
after the move, and the job `refunds` pays the rest. A provider that refuses or does not answer
delays that refund only (see `eventapp.due_work`). Each refund has a key, under which the provider
pays at most once, so all this may be repeated.

If it is unknown whether a hold was charged, no refund is decided yet. Then `forbid_charges` of the
provider forbids all later charges and returns what was charged, and that amount is refunded.
"""

import time
from datetime import datetime

from bson import ObjectId

from eventapp.bookings import rules, store_due, store_moves, ticket_places
from eventapp.bookings.context import BookingContext
from eventapp.bookings.ledger.entries import build_charge_entries, build_refund_entries
from eventapp.bookings.service import find_booking
from eventapp.bookings.ticket_places import UnpaidRefund
from eventapp.bookings.types import Payment, Refund, StoredBooking
from eventapp.core.clock import start_clock
from eventapp.core.failpoints import failpoint
from eventapp.due_work.service import DueRun, process_now
from eventapp.payments.providers import PaymentProvider, PaymentRefused, find_provider

# The name of this work in the records of what fails.
REFUND_KIND = "refund"
MAX_PER_RUN = 500
# A run begins no refund after this time, so that a provider that hangs delays the next run little.
RUN_SECONDS = 30.0


def pay_due_refunds(context: BookingContext, now: datetime) -> int:
    """Pay the refunds that are due, the longest due first; return how many were paid."""
    clock, deadline = start_clock(now), time.monotonic() + RUN_SECONDS
    run = DueRun(context.db, REFUND_KIND, now)
    bookings = store_due.find_refunds_due(context.db, now, MAX_PER_RUN, run.waiting)
    paid = run.process(
        bookings,
        get_key=lambda booking: booking["_id"],
        handle=lambda booking: _pay(context, booking, clock()),
        is_stopped=lambda: time.monotonic() > deadline,
    )
    if len(bookings) < MAX_PER_RUN and time.monotonic() < deadline:
        run.forget_absent()
    return paid


def pay_in_request(context: BookingContext, booking_id: ObjectId, now: datetime) -> None:
    """Try once to pay the refunds of a booking, if one is due.

    The request does not fail if the provider does. The worker tries again.
    """

    def pay(_key: object) -> int:
        return _pay(context, find_booking(context, booking_id), now)

    process_now(context.db, REFUND_KIND, booking_id, pay)


def refund_late_charge(
    context: BookingContext, booking: StoredBooking, payment: Payment, now: datetime
) -> Refund | None:
    """Refund a charge for a hold that had ended before it could be confirmed.

    Args:
        booking: the ended booking.
        payment: the charge, which the booking does not record as made.

    Returns:
        The refund; one without a `refundId` is still to be paid.
    """
    refund = rules.build_refund(payment["cents"], booking["currency"], "hold_expired", now)
    _decide(context, booking, refund, now)
    pay_in_request(context, booking["_id"], now)
    return find_booking(context, booking["_id"])["refund"]


def mark_unpaid(context: BookingContext, booking: StoredBooking, now: datetime) -> None:
    """Let the worker look after a booking that ended before there was `refundDueAt`."""
    if rules.is_refund_unmarked(booking):
        store_moves.set_refund_due(context.db, booking["_id"], now)


def _pay(context: BookingContext, booking: StoredBooking, now: datetime) -> int:
    """Pay the refunds of a booking that are due, and record them; return how many.

    Raises:
        PaymentRefused: the provider refused at least one of them. The others are paid.
        PaymentUnavailable: the provider does not answer.
    """
    if booking["status"] == rules.HELD or "refundDueAt" not in booking:
        return 0
    provider, paid, refusal = _find_provider(context, booking), 0, None
    if not booking["active"] and booking["refund"] is None:
        booking = _ask_for_charge(context, provider, booking, now) or booking
    for unpaid in ticket_places.list_unpaid_refunds(booking):
        try:
            _pay_one(context, provider, booking, unpaid, now)
            paid += 1
        except PaymentRefused as error:
            refusal = error
    if refusal:
        raise refusal
    store_moves.clear_refund_due(context.db, booking)
    return paid


def _pay_one(
    context: BookingContext,
    provider: PaymentProvider,
    booking: StoredBooking,
    unpaid: UnpaidRefund,
    now: datetime,
) -> None:
    refund = unpaid.refund
    attempt_id = rules.get_attempt_id(booking["_id"], booking.get("payment"))
    cents, key = rules.to_cents(refund["amount"]), f"{attempt_id}{unpaid.key_suffix}"
    refund_id = provider.refund(attempt_id, cents, refund["currency"], key)
    failpoint("refund")
    paid: Refund = {**refund, "refundId": refund_id}
    entries = build_refund_entries(booking, paid, now)
    store_moves.record_refund_paid(context.db, booking["_id"], unpaid.path, paid, entries)
    failpoint("refund-recorded")


def _find_provider(context: BookingContext, booking: StoredBooking) -> PaymentProvider:
    """Return the provider that was paid; the present one for a booking without a payment."""
    payment = booking.get("payment")
    return find_provider(payment["provider"], context.payments) if payment else context.payments


def _ask_for_charge(
    context: BookingContext, provider: PaymentProvider, booking: StoredBooking, now: datetime
) -> StoredBooking | None:
    """Forbid further charges for an ended hold, and decide the refund of what was charged.

    Returns:
        The booking with the refund; None if nothing was charged.
    """
    payment, move = booking.get("payment"), booking.get("due")
    if not rules.is_charge_uncertain(payment) or move is None:
        return None
    cents = provider.forbid_charges(rules.get_attempt_id(booking["_id"], payment))
    if not cents:
        return None
    refund = rules.build_refund(cents, booking["currency"], move["reason"], now)
    return _decide(context, booking, refund, now)


def _decide(
    context: BookingContext, booking: StoredBooking, refund: Refund, now: datetime
) -> StoredBooking:
    """Record a refund that is to be paid, and the charge that it pays back, unless one is recorded.

    Returns:
        The booking as it is stored then.
    """
    entries = build_charge_entries(booking, refund, now)
    decided = store_moves.decide_refund(context.db, booking["_id"], refund, entries, now)
    return decided or find_booking(context, booking["_id"])
