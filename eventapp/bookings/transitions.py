"""Confirm, cancel and expire bookings, each exactly once whoever tries.

A transition has two steps. One guarded update of the booking changes its status and notes a pending
stock move (and a refund that is due). Then `make_pending_moves` changes the event's stock, pays the
refund and marks the move as made. If a process dies between the two, the next caller or
`bookings.recovery` repeats the second step, which is safe: the stock move has a key, and the
provider charges and refunds a booking once however often it is asked.

A refund is paid only after the booking has ended, and only for what was charged. If a charge was
begun and nobody knows whether it was made, because a process died, the provider is first told never
to charge for this booking, and answers what it had charged (`PaymentProvider.void`).
"""

from collections.abc import Sequence
from datetime import datetime

from bson import ObjectId

from eventapp.bookings import rules, store
from eventapp.bookings.context import BookingContext
from eventapp.bookings.errors import (
    BookingNotFound,
    CancellationClosed,
    HoldExpired,
    NotCancellable,
    NotHeld,
    PaymentFailed,
)
from eventapp.bookings.service import (
    find_booking,
    find_visible_booking,
    is_holder_or_admin,
    is_organizer_or_admin,
)
from eventapp.bookings.types import Payment, Refund, Status, StoredBooking
from eventapp.core.access.actor import Actor
from eventapp.core.database import Query
from eventapp.core.errors import Conflict
from eventapp.core.failpoints import failpoint
from eventapp.inventory.service import StockMove
from eventapp.payments.providers import PaymentRefused

# An attempt fails only while another request is making a stock move, which is soon done.
ATTEMPTS = 20


def cancel(
    context: BookingContext, booking_id: ObjectId, actor: Actor, now: datetime
) -> StoredBooking:
    """Cancel a booking, put its tickets back on sale and refund it; return the booking after it.

    Cancelling again changes nothing.

    Raises:
        BookingNotFound, CancellationClosed, NotCancellable: nothing is written.
    """
    for _attempt in range(ATTEMPTS):
        booking = find_visible_booking(context, booking_id, actor)
        if booking["status"] == rules.CANCELLED:
            # The request that cancelled it may still be making the stock move, or may have died.
            finish_pending_move(context, booking_id, now)
            return find_booking(context, booking_id)
        if booking["status"] == rules.EXPIRED:
            raise NotCancellable
        _refuse_after_deadline(context, booking, actor, now)
        if cancelled := end(context, booking, rules.CANCELLED, "cancelled", now):
            make_pending_moves(context, [cancelled], now)
            return find_booking(context, booking_id)
        finish_pending_move(context, booking_id, now)
    raise Conflict("The booking is being changed; try again")


def _refuse_after_deadline(
    context: BookingContext, booking: StoredBooking, actor: Actor, now: datetime
) -> None:
    """Refuse a holder who cancels a confirmed booking too late.

    A hold can be cancelled until it expires, and organizers and admins can cancel at any time.
    """
    if booking["status"] == rules.HELD or is_organizer_or_admin(booking, actor):
        return
    if now > rules.cancellation_deadline(booking, context.limits.cancellation_cutoff):
        raise CancellationClosed


def expire(context: BookingContext, booking: StoredBooking, now: datetime) -> bool:
    """End a hold whose time is over; return False if it was confirmed or ended meanwhile."""
    ended = end(context, booking, rules.EXPIRED, "expired", now)
    if ended:
        make_pending_moves(context, [ended], now)
    return ended is not None


def end(
    context: BookingContext, booking: StoredBooking, status: Status, reason: str, now: datetime
) -> StoredBooking | None:
    """End an active booking and note the pending move of its tickets back on sale.

    Returns:
        The booking after it, to the one caller that ended it; None to all others.
    """
    fields = end_fields(booking, status, reason, now)
    ended = store.transition(context.db, booking["_id"], {"status": booking["status"]}, fields)
    if ended:
        failpoint("end")
    return ended


def end_fields(booking: StoredBooking, status: Status, reason: str, now: datetime) -> Query:
    """Return the fields to set in order to end an active booking that still has its status."""
    is_held = booking["status"] == rules.HELD
    quantities = rules.quantities_by_type(booking["items"])
    move = StockMove.for_return(str(booking["_id"]), quantities, held=is_held)
    fields: Query = {
        "status": status,
        "active": False,
        "updatedAt": now,
        "expiresAt": None if status == rules.CANCELLED else booking["expiresAt"],
        **_pending_move_fields(move, reason),
        **rules.pending_notification_fields(rules.END_NOTIFICATIONS.get(reason), now),
    }
    if status == rules.CANCELLED:
        fields["cancelledAt"] = now
    if not is_held:
        cents = rules.charged_cents(booking)
        fields["refund"] = rules.new_refund(cents, booking["currency"], reason, now)
    return fields


def confirm(
    context: BookingContext,
    booking_id: ObjectId,
    actor: Actor,
    now: datetime,
    quantity: int | None = None,
) -> StoredBooking:
    """Charge for a held booking and confirm it; return the booking after it.

    Confirming again changes nothing.

    Args:
        quantity: how many tickets of an offer to take; the rest goes back on sale. None for all.

    Raises:
        BookingNotFound, NotHeld, HoldExpired, PaymentFailed: the booking is not confirmed. What was
            charged too late is refunded.
    """
    for _attempt in range(ATTEMPTS):
        booking = find_booking(context, booking_id)
        if not is_holder_or_admin(booking, actor):
            raise BookingNotFound
        if booking["status"] == rules.CONFIRMED:
            return booking
        if booking["status"] == rules.CANCELLED:
            raise NotHeld
        if booking["status"] == rules.EXPIRED or _is_over(booking, now):
            raise HoldExpired
        if confirmed := _charge_and_confirm(context, booking, quantity, now):
            if "waitlistEntryId" in confirmed:  # An offer counts as a booking once it is accepted.
                context.on_booked(confirmed["eventId"])
            make_pending_moves(context, [confirmed], now)
            return find_booking(context, booking_id)
    raise Conflict("The booking is being changed; try again")


def _is_over(hold: StoredBooking, now: datetime) -> bool:
    return hold["expiresAt"] is not None and hold["expiresAt"] <= now


def _charge_and_confirm(
    context: BookingContext, booking: StoredBooking, quantity: int | None, now: datetime
) -> StoredBooking | None:
    """Charge, then confirm in one guarded update; return None if another request confirmed.

    Raises:
        HoldExpired: the hold ended after the charge, which is refunded.
        PaymentFailed: the provider refused.
    """
    kept, returned = rules.split_items(booking["items"], quantity or booking["quantity"])
    totals = rules.sum_items(kept)
    payment = _charge(context, booking, totals["totalCents"], now)
    if payment is None:
        return None
    failpoint("charge")
    sold = rules.quantities_by_type(kept)
    move = StockMove.for_confirmation(str(booking["_id"]), sold, returned)
    fields = {
        **totals,
        "status": rules.CONFIRMED,
        "expiresAt": None,
        "payment": payment,
        "updatedAt": now,
        **_pending_move_fields(move, "confirmed"),
        **rules.pending_notification_fields(rules.BOOKING_CONFIRMED, now),
    }
    confirmed = store.transition(context.db, booking["_id"], {"status": rules.HELD}, fields)
    if confirmed is None:
        _refund_if_ended(context, booking["_id"], payment, now)
    else:
        failpoint("confirm")
    return confirmed


def _charge(
    context: BookingContext, booking: StoredBooking, cents: int, now: datetime
) -> Payment | None:
    """Charge for a hold; return None if the hold has ended or another request is charging.

    The charge is noted before it is made. A second charge for the same hold must be of the same
    amount, because the provider charges a booking once. A refused charge stays noted without an
    amount: if two were tried at once, only one of them may have been refused.

    Raises:
        PaymentFailed: the provider refused.
    """
    payment: Payment = {"provider": context.payments.name, "cents": cents, "begunAt": now}
    chargeable = {
        "status": rules.HELD,
        "expiresAt": {"$gt": now},
        "payment.cents": {"$in": [None, cents]},
    }
    if not store.transition(context.db, booking["_id"], chargeable, {"payment": payment}):
        return None
    failpoint("pay")
    try:
        charge_id = context.payments.charge(booking["_id"], cents, booking["currency"])
    except PaymentRefused:
        unchanged = {"status": rules.HELD, "payment": payment}
        refused: Payment = {"provider": context.payments.name, "refusedAt": now}
        store.transition(context.db, booking["_id"], unchanged, {"payment": refused})
        if find_booking(context, booking["_id"])["status"] == rules.HELD:
            raise PaymentFailed from None
        return None  # The hold has ended, or another request has paid for it.
    return {**payment, "id": charge_id, "paidAt": now}


def _refund_if_ended(
    context: BookingContext, booking_id: ObjectId, payment: Payment, now: datetime
) -> None:
    """Refund a charge that was made after the hold had ended, and store the refund.

    Raises:
        HoldExpired: it was refunded. Nothing is raised if another request has confirmed.
    """
    booking = find_booking(context, booking_id)
    if booking["active"]:
        return
    due = rules.new_refund(payment["cents"], booking["currency"], "hold_expired", now)
    refund = _pay_refund(context, booking_id, due)
    store.set_refunds(context.db, {booking_id: refund})
    raise HoldExpired("The hold has expired; the payment is refunded", refund=refund)


def _pending_move_fields(move: StockMove, reason: str) -> Query:
    """Return the fields to set on a booking in order to note a stock move as pending."""
    changes = [[type_id, dict(counters)] for type_id, counters in move.changes.items()]
    return {"restock": "due", "due": {"key": move.key, "changes": changes, "reason": reason}}


def finish_pending_move(context: BookingContext, booking_id: ObjectId, now: datetime) -> None:
    """Make the stock move of a booking if it is still pending."""
    booking = find_booking(context, booking_id)
    if booking.get("restock") == "due":
        make_pending_moves(context, [booking], now)


def make_pending_moves(
    context: BookingContext, bookings: Sequence[StoredBooking], now: datetime
) -> None:
    """Make the pending stock moves of bookings of one event, and pay the refunds that are due.

    It is safe to call again for the same bookings.
    """
    if not bookings:
        return
    moves = [StockMove(each["due"]["key"], dict(each["due"]["changes"])) for each in bookings]
    event_id, ids = bookings[0]["eventId"], [booking["_id"] for booking in bookings]
    keys = [move.key for move in moves]
    context.inventory.apply_moves(
        event_id, moves, now, find_pending=lambda: store.find_pending_move_keys(context.db, ids)
    )
    _pay_due_refunds(context, bookings, now)
    store.mark_moves_made(context.db, ids, keys)
    failpoint("restocked")
    context.inventory.mark_recorded(event_id, keys)


def _pay_due_refunds(
    context: BookingContext, bookings: Sequence[StoredBooking], now: datetime
) -> None:
    due = ((booking["_id"], _due_refund(context, booking, now)) for booking in bookings)
    paid = {id_: _pay_refund(context, id_, refund) for id_, refund in due if refund}
    store.set_refunds(context.db, paid)


def _due_refund(context: BookingContext, booking: StoredBooking, now: datetime) -> Refund | None:
    """Return the refund that is still to be paid for a booking that has ended."""
    if refund := booking["refund"]:
        return None if "refundId" in refund else refund
    if booking["active"] or not rules.is_charge_uncertain(booking.get("payment")):
        return None
    cents = context.payments.void(booking["_id"])
    reason = booking["due"]["reason"]
    return rules.new_refund(cents, booking["currency"], reason, now) if cents else None


def _pay_refund(context: BookingContext, booking_id: ObjectId, refund: Refund) -> Refund:
    """Let the provider pay a refund, and return it with the provider's id."""
    cents = rules.to_cents(refund["amount"])
    refund_id = context.payments.refund(booking_id, cents, refund["currency"])
    return {**refund, "refundId": refund_id}
