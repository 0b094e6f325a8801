"""Confirm, cancel and expire bookings, each exactly once, however many processes try.

A transition has two steps. One guarded update of the booking changes its status, and adds a pending
stock move and the refund that it decides. Then `apply_pending_moves` changes the event's stock,
pays the refund and records the move as applied. If a process dies between the two, the next request
or `bookings.recovery` repeats the second step. That is safe: the stock move has a key, and the
payment provider charges and refunds a booking only once.

A refund is paid only after the booking has ended, and only for what was charged. If a process died
while it charged, it is not known whether the charge was made. `PaymentProvider.forbid_charges` then
forbids all later charges for the booking and returns what was charged.
"""

from collections.abc import Sequence
from datetime import datetime

from bson import ObjectId

from eventapp.bookings import rules, store, store_moves
from eventapp.bookings.context import BookingContext
from eventapp.bookings.errors import (
    CancellationClosed,
    HoldExpired,
    NotCancellable,
    NotHeld,
    PaymentFailed,
    TicketCheckedIn,
)
from eventapp.bookings.ledger.entries import (
    build_confirmation_entries,
    build_end_entries,
    build_refund_entries,
)
from eventapp.bookings.service import (
    find_booking,
    find_own_booking,
    find_visible_booking,
    is_organizer_or_admin,
)
from eventapp.bookings.types import ChangeReason, Payment, Refund, Status, StoredBooking
from eventapp.core.access.actor import Actor
from eventapp.core.database import Query
from eventapp.core.errors import Conflict
from eventapp.core.failpoints import failpoint
from eventapp.inventory.service import StockMove
from eventapp.payments.providers import PaymentRefused

# An attempt fails if another request has changed the booking since it was read. An attempt to
# confirm also fails while a charge of another amount is recorded as begun.
CHANGE_ATTEMPTS = 20
# The guard of a cancellation. Its counterpart is in `tickets.store.check_in`, which requires that
# the booking is confirmed: of a check-in and a cancellation at once, only one is written.
NOT_CHECKED_IN: Query = {"checkIns": {"$exists": False}}


def cancel_booking(
    context: BookingContext, booking_id: ObjectId, actor: Actor, now: datetime
) -> StoredBooking:
    """Cancel a booking, put its tickets back on sale and refund it.

    Cancelling again changes nothing.

    Returns:
        The cancelled booking.

    Raises:
        BookingNotFound, CancellationClosed, NotCancellable, TicketCheckedIn: nothing is written.
            Only the cancellation of the event ends a booking with a checked-in ticket.
    """
    for _attempt in range(CHANGE_ATTEMPTS):
        booking = find_visible_booking(context, booking_id, actor)
        if booking["status"] == rules.CANCELLED:
            # The process that cancelled it may not have applied the stock move yet, or have died.
            apply_move_if_pending(context, booking_id, now)
            return find_booking(context, booking_id)
        if booking["status"] == rules.EXPIRED:
            raise NotCancellable
        if booking.get("checkIns"):
            raise TicketCheckedIn
        _refuse_after_deadline(context, booking, actor, now)
        if cancelled := end_booking(
            context, booking, rules.CANCELLED, "cancelled", now, guard=NOT_CHECKED_IN
        ):
            apply_pending_moves(context, [cancelled], now)
            return find_booking(context, booking_id)
        apply_move_if_pending(context, booking_id, now)
    raise Conflict("The booking is being changed; try again")


def _refuse_after_deadline(
    context: BookingContext, booking: StoredBooking, actor: Actor, now: datetime
) -> None:
    """Refuse the holder of a confirmed booking after the cancellation deadline.

    A hold can be cancelled until the worker has expired it. Organizers and admins can cancel at any
    time.

    Raises:
        CancellationClosed: the deadline has passed.
    """
    if booking["status"] == rules.HELD or is_organizer_or_admin(context, booking, actor):
        return
    if now > rules.compute_cancellation_deadline(booking, context.limits.cancellation_cutoff):
        raise CancellationClosed


def expire_hold(context: BookingContext, booking: StoredBooking, now: datetime) -> bool:
    """Expire a hold; return False if another request has confirmed or ended it.

    The caller has checked that its time is over.
    """
    ended = end_booking(context, booking, rules.EXPIRED, "expired", now)
    if ended:
        apply_pending_moves(context, [ended], now)
    return ended is not None


def end_booking(
    context: BookingContext,
    booking: StoredBooking,
    status: Status,
    reason: ChangeReason,
    now: datetime,
    *,
    guard: Query | None = None,
) -> StoredBooking | None:
    """End an active booking, and record the return of its tickets as a pending stock move.

    The caller then applies the move by `apply_pending_moves`.

    Args:
        reason: recorded with the refund; it also decides how the holder is notified.
        guard: a further condition that the booking must meet.

    Returns:
        The ended booking; None if another request has changed the booking, its last stock move is
        still pending, or the guard failed.
    """
    fields = build_end_fields(booking, status, reason, now)
    entries = build_end_entries(booking, reason, now)
    unchanged = {"status": booking["status"], **(guard or {})}
    ended = store.update_booking(context.db, booking["_id"], unchanged, fields, entries)
    if ended:
        failpoint("end")
    return ended


def build_end_fields(
    booking: StoredBooking, status: Status, reason: ChangeReason, now: datetime
) -> Query:
    """Return the fields that end an active booking and add its stock move and notification.

    A confirmed booking also gets a refund, which `apply_pending_moves` pays.
    """
    is_held = booking["status"] == rules.HELD
    quantities = rules.collect_quantities(booking["items"])
    move = StockMove.for_return(str(booking["_id"]), quantities, held=is_held)
    fields: Query = {
        "status": status,
        "active": False,
        "updatedAt": now,
        "expiresAt": None if status == rules.CANCELLED else booking["expiresAt"],
        **store_moves.build_pending_move_fields(move.key, move.changes, reason),
        **rules.build_pending_notification_fields(rules.END_NOTIFICATIONS.get(reason), now),
    }
    if status == rules.CANCELLED:
        fields["cancelledAt"] = now
    if not is_held:
        cents = rules.compute_charged_cents(booking)
        fields["refund"] = rules.build_refund(cents, booking["currency"], reason, now)
    return fields


def confirm_booking(
    context: BookingContext,
    booking_id: ObjectId,
    actor: Actor,
    now: datetime,
    quantity: int | None = None,
) -> StoredBooking:
    """Charge for a held booking and confirm it.

    Confirming again changes nothing.

    Args:
        quantity: how many tickets of an offer to take; the rest goes back on sale. None for all.

    Returns:
        The confirmed booking.

    Raises:
        BookingNotFound, NotHeld, HoldExpired, PaymentFailed: the booking is not confirmed. A charge
            that was made after the end of the hold is refunded.
    """
    for _attempt in range(CHANGE_ATTEMPTS):
        booking = find_own_booking(context, booking_id, actor)
        if booking["status"] == rules.CONFIRMED:
            return booking
        if booking["status"] == rules.CANCELLED:
            raise NotHeld
        if not rules.is_open_hold(booking, now):
            raise HoldExpired
        if confirmed := _charge_and_confirm(context, booking, quantity, now):
            if "waitlistEntryId" in confirmed:  # An offer counts as a booking once it is accepted.
                context.on_booked(confirmed["eventId"])
            apply_pending_moves(context, [confirmed], now)
            return find_booking(context, booking_id)
    raise Conflict("The booking is being changed; try again")


def _charge_and_confirm(
    context: BookingContext, booking: StoredBooking, quantity: int | None, now: datetime
) -> StoredBooking | None:
    """Charge for a hold, then confirm it in one guarded update.

    Returns:
        The confirmed booking; None if the hold has ended, another request has confirmed it, or a
        charge of another amount is recorded.

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
    sold = rules.collect_quantities(kept)
    move = StockMove.for_confirmation(str(booking["_id"]), sold, returned)
    fields = {
        **totals,
        "status": rules.CONFIRMED,
        "expiresAt": None,
        "payment": payment,
        "updatedAt": now,
        **store_moves.build_pending_move_fields(move.key, move.changes, "confirmed"),
        **rules.build_pending_notification_fields(rules.BOOKING_CONFIRMED, now),
    }
    entries = build_confirmation_entries(booking, totals, now)
    confirmed = store.update_booking(
        context.db, booking["_id"], {"status": rules.HELD}, fields, entries
    )
    if confirmed is None:
        _refund_late_charge(context, booking["_id"], payment, now)
    else:
        failpoint("confirm")
    return confirmed


def _charge(
    context: BookingContext, booking: StoredBooking, cents: int, now: datetime
) -> Payment | None:
    """Charge for a hold.

    The charge is recorded as begun before it is made. While its amount is recorded, only a charge
    of the same amount may begin, because the provider charges a booking once. A refusal replaces
    the record by `refusedAt`. The record must not vanish: a parallel charge may have succeeded, so
    the provider is asked before a refund (`_determine_refund`).

    Returns:
        The payment to record; None if the hold has ended, another request has confirmed it, or a
        charge of another amount is recorded.

    Raises:
        PaymentFailed: the provider refused.
    """
    payment: Payment = {"provider": context.payments.name, "cents": cents, "begunAt": now}
    may_charge_filter = {
        "status": rules.HELD,
        "expiresAt": {"$gt": now},
        "payment.cents": {"$in": [None, cents]},
    }
    if not store.update_booking(
        context.db, booking["_id"], may_charge_filter, {"payment": payment}
    ):
        return None
    failpoint("pay")
    try:
        charge_id = context.payments.charge(booking["_id"], cents, booking["currency"])
    except PaymentRefused:
        unchanged = {"status": rules.HELD, "payment": payment}
        refused: Payment = {"provider": context.payments.name, "refusedAt": now}
        store.update_booking(context.db, booking["_id"], unchanged, {"payment": refused})
        if find_booking(context, booking["_id"])["status"] == rules.HELD:
            raise PaymentFailed from None
        return None
    return {**payment, "id": charge_id, "paidAt": now}


def _refund_late_charge(
    context: BookingContext, booking_id: ObjectId, payment: Payment, now: datetime
) -> None:
    """Refund a charge for a hold that ended before it could be confirmed.

    Do nothing if the booking is active: another request has confirmed it with the same charge. The
    booking is not held, because a booking that is no longer held is never held again.

    Raises:
        HoldExpired: the charge was refunded.
    """
    booking = find_booking(context, booking_id)
    if booking["active"]:
        return
    unpaid_refund = rules.build_refund(payment["cents"], booking["currency"], "hold_expired", now)
    refund = _pay_refund(context, booking_id, unpaid_refund)
    entries = build_refund_entries(booking, refund, now)
    store_moves.record_refunds_paid(context.db, [(booking, refund, entries)])
    raise HoldExpired("The hold has expired; the payment is refunded", refund=refund)


def apply_move_if_pending(context: BookingContext, booking_id: ObjectId, now: datetime) -> None:
    """Apply the last stock move of a booking if it is still pending."""
    booking = find_booking(context, booking_id)
    if rules.get_pending_move(booking):
        apply_pending_moves(context, [booking], now)


def apply_pending_moves(
    context: BookingContext, bookings: Sequence[StoredBooking], now: datetime
) -> None:
    """Apply the pending stock moves of bookings, and pay their unpaid refunds.

    It may be repeated for the same bookings.

    Args:
        bookings: bookings of one event, each with a pending move.
    """
    if not bookings:
        return
    pending = filter(None, map(rules.get_pending_move, bookings))
    moves = [StockMove(move["key"], dict(move["changes"])) for move in pending]
    event_id, ids = bookings[0]["eventId"], [booking["_id"] for booking in bookings]
    keys = [move.key for move in moves]
    context.inventory.apply_moves(
        event_id,
        moves,
        now,
        find_pending=lambda: store_moves.find_pending_move_keys(context.db, ids),
    )
    _pay_refunds(context, bookings, now)
    store_moves.record_moves_applied(context.db, ids, keys)
    failpoint("move-recorded")
    context.inventory.allow_clearing(event_id, keys)


def _pay_refunds(context: BookingContext, bookings: Sequence[StoredBooking], now: datetime) -> None:
    unpaid = ((each, _determine_refund(context, each, now)) for each in bookings)
    paid = [(each, _pay_refund(context, each["_id"], refund)) for each, refund in unpaid if refund]
    store_moves.record_refunds_paid(
        context.db,
        [(each, refund, build_refund_entries(each, refund, now)) for each, refund in paid],
    )


def _determine_refund(
    context: BookingContext, booking: StoredBooking, now: datetime
) -> Refund | None:
    """Return the refund that is still to be paid for a booking; None if there is none.

    The refund of a confirmed booking was decided when it ended. For a hold that ended while the
    success of its charge was unknown, the provider forbids all later charges and says what was
    charged. That amount is refunded.

    Args:
        booking: a booking with a pending move.
    """
    if refund := booking["refund"]:
        return None if "refundId" in refund else refund
    if booking["active"] or not rules.is_charge_uncertain(booking.get("payment")):
        return None
    move = rules.get_pending_move(booking)
    cents = context.payments.forbid_charges(booking["_id"])
    if not move or not cents:
        return None
    return rules.build_refund(cents, booking["currency"], move["reason"], now)


def _pay_refund(context: BookingContext, booking_id: ObjectId, refund: Refund) -> Refund:
    """Pay a refund through the provider; return it with the provider's id."""
    cents = rules.to_cents(refund["amount"])
    refund_id = context.payments.refund(booking_id, cents, refund["currency"])
    return {**refund, "refundId": refund_id}
