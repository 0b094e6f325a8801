"""Charge for held bookings, never twice, whatever the provider or a crash leaves unknown.

A charge is an *attempt* with an id, by which the provider recognizes it: it charges an attempt at
most once. The attempt is recorded in the booking as begun before it is made. If the provider does
not answer, or the process dies, it is unknown whether it was charged. The same amount is then asked
again as the same attempt. Before another amount is charged, the earlier attempt is settled: it is
marked as forbidden, so that it can confirm nothing any more, the provider forbids it, and pays back
what it has charged. Then a new attempt begins.

While an attempt is recorded, `refundDueAt` says when the worker looks after it: after the end of
the hold. The confirmation removes it in the same write.
"""

from datetime import datetime

from bson import ObjectId

from eventapp.bookings import rules, store
from eventapp.bookings.context import BookingContext
from eventapp.bookings.errors import PaymentFailed, ProviderUnavailable
from eventapp.bookings.service import find_booking
from eventapp.bookings.types import Payment, StoredBooking
from eventapp.core.database import Query
from eventapp.core.failpoints import failpoint
from eventapp.payments.providers import PaymentRefused, PaymentUnavailable, find_provider


def charge(
    context: BookingContext, booking: StoredBooking, cents: int, now: datetime
) -> Payment | None:
    """Charge for a hold.

    Returns:
        The payment to record; None if the hold has ended, another request has changed the booking,
        or a charge of another amount is under way.

    Raises:
        PaymentFailed: the provider refused.
        ProviderUnavailable: the provider does not answer. The outcome is unknown.
    """
    payment = _begin(context, booking, cents, now)
    if payment is None:
        return None
    failpoint("pay")
    try:
        charge_id = context.payments.charge(payment["attemptId"], cents, booking["currency"])
    except PaymentRefused:
        _replace(context, booking, payment, {**payment, "refusedAt": now})
        if find_booking(context, booking["_id"])["status"] == rules.HELD:
            raise PaymentFailed from None
        return None
    except PaymentUnavailable:
        _replace(context, booking, payment, {**payment, "unknownAt": now})
        raise ProviderUnavailable from None
    return {**payment, "id": charge_id, "paidAt": now}


def build_charged_guard(payment: Payment) -> Query:
    """Return the guard that a hold is still to be confirmed by this attempt."""
    return {
        "status": rules.HELD,
        "payment.attemptId": payment["attemptId"],
        "payment.cents": payment["cents"],
        "payment.forbiddenAt": None,
    }


def _begin(
    context: BookingContext, booking: StoredBooking, cents: int, now: datetime
) -> Payment | None:
    """Record an attempt as begun, after an earlier one is settled.

    Returns:
        The recorded payment; None if there is no attempt to make, as `charge` does.
    """
    earlier, name = booking.get("payment"), context.payments.name
    payment: Payment = {
        "provider": name,
        "attemptId": booking["_id"],
        "cents": cents,
        "begunAt": now,
    }
    if earlier and rules.may_repeat_charge(earlier, cents, name):
        payment["attemptId"] = rules.get_attempt_id(booking["_id"], earlier)
    elif earlier:
        if rules.is_charge_under_way(earlier, now):
            return None
        earlier = _settle(context, booking, earlier, now)
        if earlier is None:
            return None
        payment["attemptId"] = ObjectId()
    fields = {"payment": payment, "refundDueAt": booking["expiresAt"]}
    is_open = {"status": rules.HELD, "expiresAt": {"$gt": now}, "payment": earlier}
    began = store.update_booking(context.db, booking["_id"], is_open, fields)
    return payment if began else None


def _settle(
    context: BookingContext, booking: StoredBooking, earlier: Payment, now: datetime
) -> Payment | None:
    """Forbid an earlier attempt, and pay back what it has charged.

    If the process dies on the way, the next attempt or the worker does the same again.

    Returns:
        The earlier payment as it is recorded now; None if another request has changed it.

    Raises:
        ProviderUnavailable: the provider did not answer, or refused to pay back.
    """
    forbidden: Payment = {**earlier, "forbiddenAt": now}
    if not _replace(context, booking, earlier, forbidden):
        return None
    failpoint("forbid")
    attempt_id = rules.get_attempt_id(booking["_id"], earlier)
    try:
        provider = find_provider(earlier["provider"], context.payments)
        if cents := provider.forbid_charges(attempt_id):
            provider.refund(attempt_id, cents, booking["currency"], str(attempt_id))
    except (PaymentRefused, PaymentUnavailable):
        raise ProviderUnavailable from None
    return forbidden


def _replace(
    context: BookingContext, booking: StoredBooking, before: Payment, after: Payment
) -> bool:
    """Replace the payment of a hold; return False if another request has changed either."""
    unchanged = {"status": rules.HELD, "payment": before}
    fields = {"payment": after}
    return store.update_booking(context.db, booking["_id"], unchanged, fields) is not None
