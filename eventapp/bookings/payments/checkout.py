"""Book tickets and pay for them: what the buyer does.

With a provider that needs the buyer, a paid booking is always made as a hold, and its payment is
begun in the same request. The buyer then pays at the provider. `settlement` confirms the booking
when the provider says that the money came, whichever way that is learned, and never before.
"""

import hashlib
from datetime import datetime
from typing import NamedTuple

from bson import ObjectId

from eventapp.bookings import rules, store, store_moves
from eventapp.bookings.context import BookingContext
from eventapp.bookings.errors import (
    HoldExpired,
    NotHeld,
    PaymentFailed,
    PaymentUnderWay,
    ProviderUnavailable,
)
from eventapp.bookings.ledger.entries import build_kept_entries
from eventapp.bookings.payments.attempts import (
    ask_provider,
    begin_attempt,
    cancel_at_provider,
)
from eventapp.bookings.payments.settlement import confirm_hold, settle
from eventapp.bookings.sales import service as sales
from eventapp.bookings.sales.purchases import Purchase, PurchaseAnswer, replace_booking
from eventapp.bookings.service import find_booking, find_own_booking, render_current
from eventapp.bookings.transitions import CHANGE_ATTEMPTS, apply_move_if_pending
from eventapp.bookings.types import StoredBooking
from eventapp.core.access.actor import Actor
from eventapp.core.errors import Conflict
from eventapp.inventory.service import StockMove
from eventapp.payments import states
from eventapp.payments.provider import PaymentUnavailable
from eventapp.payments.types import StoredAttempt


class Checkout(NamedTuple):
    """A booking after a step of its payment.

    Attributes:
        client_secret: lets the buyer pay at the provider; None if there is nothing to pay.
    """

    booking: StoredBooking
    client_secret: str | None = None


class PaymentRequest(NamedTuple):
    """What a request asks for.

    Attributes:
        quantity: how many tickets of an offer to take; the rest goes back on sale. None for all.
        is_next: True to begin the attempt that follows one that was refused or got no answer; False
            to begin the first one, or return the attempt that the buyer can still pay.
        digest: of the user and the Idempotency-Key; None without one. With the digest of an earlier
            attempt, that attempt is returned.
    """

    quantity: int | None = None
    is_next: bool = False
    digest: str | None = None


def digest_key(actor: Actor, idempotency_key: str | None) -> str | None:
    """Return the digest of the caller and an Idempotency-Key; None without a key."""
    if idempotency_key is None:
        return None
    text = f"{actor.require_holder_id()} {idempotency_key}"
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def book_and_pay(
    context: BookingContext, actor: Actor, purchase: Purchase, now: datetime
) -> PurchaseAnswer:
    """Book tickets as `sales.book` does, and begin the payment that the booking needs.

    If the provider refuses or does not answer, the booking is held nevertheless, and its `payment`
    says so. A purchase that is repeated with its key goes on with the payment.
    """
    answer = sales.book(context, actor, purchase, now)
    booking = answer.data.get("booking")
    provider = context.payments.current
    if not booking or booking["status"] != rules.HELD or provider.charges_at_once:
        return answer
    if purchase.hold and not (provider.buyer_pays and booking["totalPrice"]):
        return answer  # It waits for its confirmation, as the client asked for.
    booking_id = booking["_id"]
    try:
        checkout = pay(context, booking_id, actor, PaymentRequest(), now)
    except (HoldExpired, NotHeld):
        return answer  # It was made by an earlier request, and has ended since.
    except (PaymentFailed, ProviderUnavailable):
        checkout = Checkout(find_own_booking(context, booking_id, actor))
    shown = render_current(context, checkout.booking, actor, checkout.client_secret)
    return replace_booking(answer, shown)


def pay(
    context: BookingContext,
    booking_id: ObjectId,
    actor: Actor,
    request: PaymentRequest,
    now: datetime,
) -> Checkout:
    """Begin the payment of a hold, or return the attempt that the buyer can still pay.

    A free hold is confirmed. Paying a confirmed booking again changes nothing.

    Returns:
        The booking as it is then: confirmed if the provider says that the money came, else held.

    Raises:
        BookingNotFound, NotHeld, HoldExpired, PaymentUnderWay: nothing is written.
        PaymentFailed: the provider refused; the booking is still held.
        ProviderUnavailable: the provider does not answer; the booking is still held.
    """
    for _attempt in range(CHANGE_ATTEMPTS):
        booking = find_own_booking(context, booking_id, actor)
        repeated = _find_repeated(booking, request)
        if booking["status"] == rules.CONFIRMED or (repeated and not states.is_payable(repeated)):
            return Checkout(booking)
        _refuse_unless_open(booking, now)
        if checkout := _try_to_pay(context, booking, request, now):
            return checkout
        apply_move_if_pending(context, booking_id, now)
    raise Conflict("The booking is being changed; try again")


def _find_repeated(booking: StoredBooking, request: PaymentRequest) -> StoredAttempt | None:
    """Return the attempt that an earlier request with the same key has begun."""
    attempts = booking["payment"]["attempts"] if "payment" in booking else []
    digest = request.digest
    return next((each for each in attempts if digest and each.get("request") == digest), None)


def _refuse_unless_open(booking: StoredBooking, now: datetime) -> None:
    if booking["status"] == rules.CANCELLED:
        raise NotHeld
    if not rules.is_open_hold(booking, now):
        if booking["refund"]:
            message = "The hold has expired; the payment is refunded"
            raise HoldExpired(message, refund=booking["refund"])
        payment = booking.get("payment")
        if states.find_payable_attempt(payment) or states.find_late_attempt(payment):
            raise HoldExpired("The hold has expired; a payment that still comes is not lost")
        raise HoldExpired


def _try_to_pay(
    context: BookingContext, booking: StoredBooking, request: PaymentRequest, now: datetime
) -> Checkout | None:
    """Take the next step of the payment of an open hold.

    Returns:
        The booking after the step; None if there is another step, or the booking has changed.
    """
    wanted = min(request.quantity or booking["quantity"], booking["quantity"])
    is_same_quantity = wanted == booking["quantity"]
    payable = states.find_payable_attempt(booking.get("payment"))
    if payable:
        is_repeated = _find_repeated(booking, request) == payable
        if states.is_live(payable) and not is_same_quantity:
            raise PaymentUnderWay(attemptId=payable["attemptId"])
        if is_repeated or (is_same_quantity and not request.is_next):
            return _continue(context, booking, payable, now)
        if states.is_live(payable) and payable["state"] != "unknown":
            raise PaymentUnderWay(attemptId=payable["attemptId"])
        _give_up(context, booking, payable, now)
        return None
    if not is_same_quantity:
        keep_tickets(context, booking, wanted, now)
        return None
    if not booking["totalCents"]:
        confirmed = confirm_hold(context, booking, None, now)
        return Checkout(confirmed) if confirmed else None
    begun = begin_attempt(context, booking, request.digest, now)
    return _continue(context, *begun, now) if begun else None


def _continue(
    context: BookingContext, booking: StoredBooking, attempt: StoredAttempt, now: datetime
) -> Checkout:
    """Ask the provider about an attempt, and bring its answer into the booking.

    Raises:
        NotHeld, HoldExpired: the hold has ended meanwhile; what was paid is refunded.
        PaymentFailed, ProviderUnavailable: as `ask_provider`.
    """
    try:
        seen = ask_provider(context, booking, attempt, now)
    except PaymentFailed:  # The worker may have cancelled it, because the hold has ended.
        _refuse_unless_open(find_booking(context, booking["_id"]), now)
        raise
    settled = settle(context, booking["_id"], attempt["attemptId"], seen, now)
    if settled["status"] != rules.CONFIRMED:
        _refuse_unless_open(settled, now)
    return Checkout(settled, seen.client_secret)


def _give_up(
    context: BookingContext, booking: StoredBooking, attempt: StoredAttempt, now: datetime
) -> None:
    """Cancel an attempt that was refused or got no answer, before the next one begins.

    Raises:
        ProviderUnavailable: the provider does not answer; money may still come for the attempt.
    """
    try:
        seen = cancel_at_provider(context, booking, attempt)
    except PaymentUnavailable:
        raise ProviderUnavailable from None
    settle(context, booking["_id"], attempt["attemptId"], seen, now)


def keep_tickets(
    context: BookingContext, booking: StoredBooking, quantity: int, now: datetime
) -> None:
    """Give back some tickets of an open offer before it is paid; do nothing if it has changed.

    Args:
        quantity: how many tickets the offer keeps, fewer than it has.
    """
    kept, returned = rules.split_items(booking["items"], quantity)
    totals = rules.sum_items(kept)
    part = f"kept{quantity}"  # The quantity only falls, so the key never repeats.
    move = StockMove.for_return(str(booking["_id"]), returned, held=True, part=part)
    fields = {
        **totals,
        "updatedAt": now,
        **store_moves.build_pending_move_fields(move.key, move.changes, "part_declined"),
    }
    entries = build_kept_entries(booking, totals, now)
    unchanged = {**store.build_unchanged_guard(booking), "expiresAt": {"$gt": now}}
    store.update_booking(context.db, booking["_id"], unchanged, fields, entries)
