"""Cancel and expire bookings, each exactly once, however many processes try.

A transition has two steps. One guarded update of the booking changes its status, and adds a pending
stock move and the refund that it decides. Then `apply_pending_moves` changes the event's stock and
records the move as applied. If a process dies between the two, the next request or
`bookings.recovery` repeats the second step, which is safe because the stock move has a key.

`bookings.partial_cancellations` cancels some of the tickets of a booking in the same two steps.

Money goes its own way: `bookings.payments` takes the payments that confirm holds, and pays refunds
after the stock moves.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from bson import ObjectId

from eventapp.bookings import booked_entries, rules, store, store_holders, store_moves
from eventapp.bookings.booked_entries import compute_cancellation_deadline, follow_event
from eventapp.bookings.context import BookingContext
from eventapp.bookings.errors import CancellationClosed, NotCancellable, TicketCheckedIn
from eventapp.bookings.ledger.entries import build_end_entries
from eventapp.bookings.payments.refunds import pay_in_request
from eventapp.bookings.service import find_booking, find_visible_booking, is_organizer_or_admin
from eventapp.bookings.types import Cancellation, ChangeReason, Status, StoredBooking
from eventapp.core.access.actor import Actor
from eventapp.core.database import Query
from eventapp.core.errors import Conflict
from eventapp.core.failpoints import failpoint
from eventapp.inventory.service import StockMove, fold_code
from eventapp.payments import states
from eventapp.payments.types import RefundReason

# How often a change is tried. It fails if another request has changed the booking meanwhile.
CHANGE_ATTEMPTS = 20
# The guard of a cancellation. Its counterpart is in `tickets.store.check_in`, which requires that
# the booking is confirmed: of a check-in and a cancellation at once, only one is written.
NOT_CHECKED_IN: Query = {"checkIns": {"$in": list(store_holders.NO_CHECK_INS)}}
# The name of pending stock moves in the records of what fails.
MOVE_KIND = "stock move"


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
        refuse_after_deadline(context, booking, actor, now)
        if cancelled := end_booking(
            context, booking, rules.CANCELLED, "cancelled", now, guard=NOT_CHECKED_IN
        ):
            apply_pending_moves(context, [cancelled], now)
            if "refundDueAt" in cancelled:
                pay_in_request(context, booking_id, now)
            return find_booking(context, booking_id)
        apply_move_if_pending(context, booking_id, now)
    raise Conflict("The booking is being changed; try again")


def refuse_after_deadline(
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
    shown = follow_event(context.db, booking)
    if now > compute_cancellation_deadline(shown, context.limits.cancellation_cutoff):
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
    cancellation: Cancellation | None = None,
) -> StoredBooking | None:
    """End an active booking, and record the return of its tickets as a pending stock move.

    The caller then applies the move by `apply_pending_moves`. The ended booking keeps what its
    schedule entry is at that moment.

    Args:
        reason: recorded with the refund; it also decides how the holder is notified.
        guard: a further condition that the booking must meet.
        cancellation: recorded if a request has cancelled all tickets that were left.

    Returns:
        The ended booking; None if another request has changed the booking, its last stock move is
        still pending, or the guard failed.
    """
    fields = build_end_fields(follow_event(context.db, booking), status, reason, now)
    entries = build_end_entries(booking, reason, now)
    unchanged = {**store.build_unchanged_guard(booking), **(guard or {})}
    ended = store.update_booking(
        context.db, booking["_id"], unchanged, fields, entries, cancellation=cancellation
    )
    if ended:
        failpoint("end")
    return ended


def build_end_fields(
    booking: StoredBooking, status: Status, reason: ChangeReason, now: datetime
) -> Query:
    """Return the fields that end an active booking and add its stock move and notification.

    A confirmed booking that was not free also gets a refund, which `payments.refunds` pays. If
    money may still come for a hold, `payments.reconciliation` asks the provider to cancel its
    attempt.

    Args:
        booking: as it is shown (`booked_entries.follow_entry`), and will be from now on.
    """
    is_held = booking["status"] == rules.HELD
    quantities = rules.collect_quantities(booking["items"])
    code = fold_code(booking.get("promoCode", ""))
    part = "retaken" if "retakenBy" in booking else ""  # It has ended before.
    move = StockMove.for_return(
        str(booking["_id"]), quantities, held=is_held, part=part, promo_code=code
    )
    fields: Query = {
        "status": status,
        "active": False,
        "updatedAt": now,
        "expiresAt": None if status == rules.CANCELLED else booking["expiresAt"],
        **booked_entries.build_copy_fields(booking),
        **store_moves.build_pending_move_fields(move.key, move.changes, reason, move.promo_code),
        **rules.build_pending_notification_fields(rules.END_NOTIFICATIONS.get(reason), now),
    }
    if status == rules.CANCELLED:
        fields["cancelledAt"] = now
    if is_held and states.find_payable_attempt(booking.get("payment")):
        fields["reconcileAt"] = now
    if not is_held and booking["totalCents"]:
        fields |= _build_refund_fields(booking, cast(RefundReason, reason), now)
    return fields


def _build_refund_fields(booking: StoredBooking, reason: RefundReason, now: datetime) -> Query:
    """Return the fields that refund what a confirmed booking has left."""
    refund = rules.build_refund(booking["totalCents"], booking["currency"], reason, now)
    return {
        "refund": refund,
        "refundDueAt": rules.find_refund_due_time(refund["reason"], now),
        "payment": states.update_state(booking["payment"], [*rules.list_refunds(booking), refund]),
    }


def apply_move_if_pending(context: BookingContext, booking_id: ObjectId, now: datetime) -> None:
    """Apply the last stock move of a booking if it is still pending."""
    booking = find_booking(context, booking_id)
    if rules.get_pending_move(booking):
        apply_pending_moves(context, [booking], now)


def apply_pending_moves(
    context: BookingContext, bookings: Sequence[StoredBooking], now: datetime
) -> None:
    """Apply the pending stock moves of bookings. It may be repeated for the same bookings.

    Args:
        bookings: bookings of one event, each with a pending move.
    """
    if not bookings:
        return
    moves = [
        StockMove(
            move["key"], dict(move["changes"]), booking.get("scheduleId") or 0, move.get("code")
        )
        for booking in bookings
        if (move := rules.get_pending_move(booking))
    ]
    event_id, ids = bookings[0]["eventId"], [booking["_id"] for booking in bookings]
    keys = [move.key for move in moves]
    context.inventory.apply_moves(
        event_id,
        moves,
        now,
        find_pending=lambda: store_moves.find_pending_move_keys(context.db, ids),
    )
    store_moves.record_moves_applied(context.db, ids, keys)
    failpoint("move-recorded")
    context.inventory.allow_clearing(event_id, keys)
