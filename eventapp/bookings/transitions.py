"""What becomes of a booking: confirmed, cancelled, expired; each once, whoever tries."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from bson import ObjectId

from eventapp.bookings import refunds, rules, store
from eventapp.bookings.context import BookingContext
from eventapp.bookings.errors import (
    BookingNotFound,
    CancellationClosed,
    HoldExpired,
    NotCancellable,
    NotHeld,
    PaymentFailed,
)
from eventapp.bookings.service import find, is_own, manages, visible
from eventapp.core.access.actor import Actor
from eventapp.core.database import Document
from eventapp.core.errors import Conflict
from eventapp.core.failpoints import failpoint
from eventapp.inventory.service import StockMove
from eventapp.payments.providers import PaymentRefused

# Only moves of tickets that another request is just making can be in the way, and not for long.
ATTEMPTS = 20


def cancel(context: BookingContext, booking_id: ObjectId, actor: Actor, now: datetime) -> Document:
    """Cancel and refund; the tickets go back. Cancelling again changes nothing.

    Raises:
        BookingNotFound, CancellationClosed, NotCancellable: nothing is written.
    """
    for _attempt in range(ATTEMPTS):
        booking = visible(store.get(context.db, booking_id), actor)
        if booking["status"] == rules.CANCELLED:
            finish_due(context, booking_id, now)  # who cancelled it may be at it yet, or have died
            return find(context, booking_id)
        if booking["status"] == rules.EXPIRED:
            raise NotCancellable
        _refuse_late(context, booking, actor, now)
        if cancelled := end(context, booking, rules.CANCELLED, "cancelled", now):
            settle_due(context, [cancelled], now)
            return find(context, booking_id)
        finish_due(context, booking_id, now)
    raise Conflict("The booking is being changed; try again")


def _refuse_late(context: BookingContext, booking: Document, actor: Actor, now: datetime) -> None:
    if booking["status"] == rules.HELD or manages(booking, actor):
        return
    if now > rules.cancellable_until(booking, context.limits.cutoff):
        raise CancellationClosed


def end(
    context: BookingContext, booking: Document, status: str, reason: str, now: datetime
) -> Document | None:
    """Take an active booking to `status`, its tickets due to go back; None for all but one caller.

    What was paid goes back with the tickets (see `service_refunds`): not before it is sure that
    the booking ends, and again after a crash.
    """
    fields = ending(booking, status, reason, now)
    ended = store.transition(context.db, booking["_id"], {"status": booking["status"]}, fields)
    if ended:
        failpoint("end")
    return ended


def ending(booking: Document, status: str, reason: str, now: datetime) -> dict[str, Any]:
    """The fields of an active booking, where its status is still the same, that end it."""
    held = booking["status"] == rules.HELD
    move = StockMove.for_return(str(booking["_id"]), rules.quantities(booking["items"]), held=held)
    fields: dict[str, Any] = {
        "status": status,
        "active": False,
        "updatedAt": now,
        "expiresAt": None if status == rules.CANCELLED else booking["expiresAt"],
        **due(move, reason),
        **rules.tells(rules.ENDS_TOLD.get(reason), now),
    }
    if status == rules.CANCELLED:
        fields["cancelledAt"] = now
    if not held:
        cents = rules.charged_cents(booking)
        fields["refund"] = rules.refund(cents, booking["currency"], reason, now)
    return fields


def due(move: StockMove, reason: str) -> dict[str, Any]:
    """The fields of a booking that note a move of its tickets as still to be made, and why."""
    changes = [[type_id, dict(steps)] for type_id, steps in move.changes.items()]
    return {"restock": "due", "due": {"key": move.key, "changes": changes, "reason": reason}}


def settle_due(context: BookingContext, bookings: Iterable[Document], now: datetime) -> None:
    """Make the noted moves and refunds of bookings of one event, and note that they are made."""
    listed = list(bookings)
    if not listed:
        return
    moves = [StockMove(b["due"]["key"], dict(map(tuple, b["due"]["changes"]))) for b in listed]
    event_id, ids = listed[0]["eventId"], [booking["_id"] for booking in listed]
    keys = [move.key for move in moves]
    context.inventory.apply_moves(
        event_id, moves, now, find_pending=lambda: store.due_keys(context.db, ids)
    )
    refunds.pay_due(context, listed, now)
    store.restocked(context.db, ids, keys)
    failpoint("restocked")
    context.inventory.mark_recorded(event_id, keys)


def finish_due(context: BookingContext, booking_id: ObjectId, now: datetime) -> None:
    """Finish the last change of a booking, where its move of tickets is still due."""
    booking = find(context, booking_id)
    if booking.get("restock") == "due":
        settle_due(context, [booking], now)


def expire(context: BookingContext, booking: Document, now: datetime) -> bool:
    """End a hold whose time is over; False where it was confirmed or ended meanwhile."""
    ended = end(context, booking, rules.EXPIRED, "expired", now)
    if ended:
        settle_due(context, [ended], now)
    return ended is not None


def confirm(
    context: BookingContext,
    booking_id: ObjectId,
    actor: Actor,
    now: datetime,
    quantity: int | None = None,
) -> Document:
    """Pay for a held booking and own its tickets; confirming again changes nothing.

    Args:
        quantity: fewer than are held, of an offer: the rest goes back.

    Raises:
        BookingNotFound, NotHeld, HoldExpired, PaymentFailed: nothing is owned, and what was
        charged too late is refunded.
    """
    for _attempt in range(ATTEMPTS):
        booking = find(context, booking_id)
        if not (is_own(booking, actor) or actor.is_admin):
            raise BookingNotFound
        if booking["status"] == rules.CONFIRMED:
            return booking
        if booking["status"] == rules.CANCELLED:
            raise NotHeld
        if booking["status"] == rules.EXPIRED or booking["expiresAt"] <= now:
            raise HoldExpired
        if confirmed := _pay(context, booking, quantity, now):
            if "waitlistEntryId" in confirmed:  # an offer is no booking until it is accepted
                context.on_booked(confirmed["eventId"])
            settle_due(context, [confirmed], now)
            return find(context, booking_id)
    raise Conflict("The booking is being changed; try again")


def _pay(
    context: BookingContext, booking: Document, quantity: int | None, now: datetime
) -> Document | None:
    """Charge, then confirm in one guarded write; None where someone else confirmed."""
    kept, returned = rules.split_accepted(booking["items"], quantity or booking["quantity"])
    sums = rules.sums(kept)
    payment = _charge(context, booking, sums["totalCents"], now)
    if payment is None:
        return None
    failpoint("charge")
    move = StockMove.for_confirmation(str(booking["_id"]), rules.quantities(kept), returned)
    fields = {
        **sums,
        "status": rules.CONFIRMED,
        "expiresAt": None,
        "payment": payment,
        "updatedAt": now,
        **due(move, "confirmed"),
        **rules.tells(rules.CONFIRMED_TOLD, now),
    }
    confirmed = store.transition(context.db, booking["_id"], {"status": rules.HELD}, fields)
    if confirmed is None:
        _refund_late(context, {**booking, "payment": payment}, now)
    else:
        failpoint("confirm")
    return confirmed


def _charge(
    context: BookingContext, booking: Document, cents: int, now: datetime
) -> Document | None:
    """Charge for a hold, noted first; the payment, None where it ended or another is charging.

    A second charge for the same hold must be of the same amount: the provider charges once. A
    refused one stays noted, without an amount: of two at once only one may have been refused.
    """
    payment: Document = {"provider": context.payments.name, "cents": cents, "begunAt": now}
    alone = {"payment.cents": {"$in": [None, cents]}}
    still_held = {"status": rules.HELD, "expiresAt": {"$gt": now}, **alone}
    if not store.transition(context.db, booking["_id"], still_held, {"payment": payment}):
        return None
    failpoint("pay")
    try:
        charge_id = context.payments.charge(booking["_id"], cents, booking["currency"])
    except PaymentRefused:
        noted = {"status": rules.HELD, "payment": payment}
        refused = {"provider": context.payments.name, "refusedAt": now}
        store.transition(context.db, booking["_id"], noted, {"payment": refused})
        if find(context, booking["_id"])["status"] == rules.HELD:
            raise PaymentFailed from None
        return None  # refused because the hold has ended, or paid by another request
    return {**payment, "id": charge_id, "paidAt": now}


def _refund_late(context: BookingContext, booking: Document, now: datetime) -> None:
    """The hold ended between charge and confirmation: give the money back, visibly."""
    ended = find(context, booking["_id"])
    if ended["active"]:
        return
    due = rules.refund(booking["payment"]["cents"], booking["currency"], "hold_expired", now)
    refund = refunds.paid(context, booking["_id"], due)
    store.refunded(context.db, {booking["_id"]: refund})
    raise HoldExpired("The hold has expired; the payment is refunded", refund=refund)
