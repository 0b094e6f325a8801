"""Pay refunds apart from the stock, each as often as it takes and only once.

The write that ends a booking or cancels some of its tickets also decides the refund and sets
`refundDueAt`. The stock move never waits for the money: the request that cancels tries once to pay
after the move, and the job `refunds` pays the rest. A provider that refuses or does not answer
delays that refund only (see `eventapp.due_work`). Each refund has a key, under which the provider
pays at most once, so all this may be repeated. It goes to the provider that was paid.
"""

import time
from collections.abc import Callable
from datetime import datetime

from bson import ObjectId

from eventapp.bookings import rules, store_due, store_payments, ticket_places
from eventapp.bookings.context import BookingContext
from eventapp.bookings.ledger.entries import build_refund_entries, build_returned_refund_entries
from eventapp.bookings.ledger.types import LedgerEntry
from eventapp.bookings.payments.charges import describe_attempt
from eventapp.bookings.service import find_booking
from eventapp.bookings.ticket_places import KeyedRefund
from eventapp.bookings.types import StoredBooking
from eventapp.core.clock import start_clock
from eventapp.core.database import Query
from eventapp.core.failpoints import failpoint
from eventapp.core.metrics import REFUNDS
from eventapp.due_work.service import DueRun, process_now
from eventapp.payments import states
from eventapp.payments.provider import PaymentRefused, PaymentUnavailable
from eventapp.payments.types import Refund, StoredAttempt

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


def _pay(context: BookingContext, booking: StoredBooking, now: datetime) -> int:
    """Pay the refunds of a booking that are due, and record them; return how many.

    Raises:
        PaymentRefused, PaymentUnavailable: at least one of them was not paid. The others are.
    """
    if "refundDueAt" not in booking:
        return 0
    paid, failure = 0, None
    for unpaid in ticket_places.list_unpaid_refunds(booking):
        try:
            _pay_one(context, booking, unpaid, now)
            paid += 1
        except (PaymentRefused, PaymentUnavailable) as error:
            failure = error
            _record_failure(context, booking, unpaid, error, now)
    if failure:
        raise failure
    booking = find_booking(context, booking["_id"])
    if not ticket_places.list_unpaid_refunds(booking):
        store_payments.clear_refund_due(context.db, booking)
    return paid


def _pay_one(
    context: BookingContext, booking: StoredBooking, unpaid: KeyedRefund, now: datetime
) -> None:
    refund, attempt = unpaid.refund, unpaid.attempt
    provider = context.payments.find(attempt["provider"])
    cents = rules.to_cents(refund["amount"])
    refund_id = provider.refund(describe_attempt(booking, attempt), cents, unpaid.key)
    failpoint("refund")
    paid: Refund = {**refund, "refundId": refund_id}
    paid.pop("failure", None)

    def build_entries(current: StoredBooking) -> list[LedgerEntry]:
        return build_refund_entries(current, paid, attempt["provider"], now)

    if _replace(context, booking, unpaid.key, paid, build_entries):
        REFUNDS.labels("paid").inc()
    failpoint("refund-recorded")


def _record_failure(
    context: BookingContext,
    booking: StoredBooking,
    unpaid: KeyedRefund,
    error: PaymentRefused | PaymentUnavailable,
    now: datetime,
) -> None:
    """Record with a refund that it was not paid, so that operators find it."""
    REFUNDS.labels("failed").inc()
    reason = "provider_unavailable"
    if isinstance(error, PaymentRefused):
        reason = error.reason or "refused"
    failed: Refund = {**unpaid.refund, "failure": {"at": now, "reason": reason}}
    _replace(context, booking, unpaid.key, failed)


def _replace(
    context: BookingContext,
    booking: StoredBooking,
    key: str,
    refund: Refund,
    build_entries: Callable[[StoredBooking], list[LedgerEntry]] = lambda _booking: [],
) -> bool:
    """Replace an unpaid refund; return False if another process has recorded that it is paid."""
    while True:
        current = find_booking(context, booking["_id"])
        unpaid = ticket_places.list_unpaid_refunds(current)
        stored = next((each for each in unpaid if each.key == key), None)
        if stored is None:
            return False
        fields = _build_fields(current, stored, refund)
        entries = build_entries(current)
        if store_payments.update_payment(context.db, current, fields, entries):
            return True


def _build_fields(booking: StoredBooking, replaced: KeyedRefund, refund: Refund) -> Query:
    """Return the fields that replace a refund of a booking, with the state of its payment."""
    payment, refunds = booking["payment"], rules.list_refunds(booking)
    if "refund" in replaced.attempt:
        attempt: StoredAttempt = {**replaced.attempt, "refund": refund}
        return {"payment": states.replace_attempt(payment, attempt, refunds)}
    refunds = [refund if each is replaced.refund else each for each in refunds]
    return {replaced.path: refund, "payment": states.update_state(payment, refunds)}


def record_returned_refund(
    context: BookingContext, booking_id: ObjectId, key: str, now: datetime
) -> None:
    """Record that the provider could not pay a refund that it had accepted; the worker pays again.

    Args:
        key: the key of the refund. Nothing is done if it was recorded before.
    """
    while True:
        current = find_booking(context, booking_id)
        paid = next((x for x in ticket_places.list_paid_refunds(current) if x.key == key), None)
        if paid is None:
            return
        returned: Refund = {**paid.refund, "returns": paid.refund.get("returns", 0) + 1}
        returned["failure"] = {"at": now, "reason": "returned"}
        del returned["refundId"]
        fields = {**_build_fields(current, paid, returned), "refundDueAt": now}
        entries = build_returned_refund_entries(current, returned, paid.attempt["provider"], now)
        if store_payments.update_payment(context.db, current, fields, entries):
            return
