"""Cancel some of the tickets of a confirmed booking, each exactly once, whoever else changes it.

One guarded update takes the tickets off the booking, records their places, and adds a pending stock
move and the refund. The rest is as with the end of a booking (`bookings.transitions`): the stock
move is applied, then the refund is paid. A process may die in between: the worker does the rest.

The update is guarded by the status and the quantity of the booking as it was read. A quantity only
ever falls, so this also says that none of the places was cancelled in between. A check-in changes
neither, so there is a guard for each place; its counterpart is in `tickets.store.check_in`.

A request that takes everything that is left cancels the booking.
"""

from dataclasses import dataclass
from datetime import datetime

from bson import ObjectId

from eventapp.bookings import rules, store, store_moves, ticket_places, views
from eventapp.bookings.bodies import CancellationInput, RefundView
from eventapp.bookings.context import BookingContext
from eventapp.bookings.errors import (
    NotConfirmed,
    NotEnoughTickets,
    TicketCancelled,
    TicketCheckedIn,
    TicketNotFound,
)
from eventapp.bookings.ledger.entries import build_part_entries
from eventapp.bookings.payments.refunds import pay_in_request
from eventapp.bookings.request_digests import digest_request
from eventapp.bookings.service import find_booking, find_visible_booking
from eventapp.bookings.transitions import (
    CHANGE_ATTEMPTS,
    MOVE_KIND,
    NOT_CHECKED_IN,
    apply_move_if_pending,
    apply_pending_moves,
    end_booking,
    refuse_after_deadline,
)
from eventapp.bookings.types import Cancellation, RequestDigests, StoredBooking
from eventapp.bookings.waitlist_offers import offer_in_request
from eventapp.core.access.actor import Actor
from eventapp.core.database import Query
from eventapp.core.errors import Conflict, IdempotencyMismatch
from eventapp.core.failpoints import failpoint
from eventapp.due_work.service import process_now
from eventapp.inventory.service import Quantities, StockMove
from eventapp.payments import states


@dataclass(frozen=True)
class CancellationRequest:
    """Which tickets of a booking a caller wants to cancel: exactly one of both is not empty.

    Attributes:
        quantities: how many of each ticket type, by ticketTypeId.
        ticket_ids: the ids of the tickets.
        digests: recognize the request when it is sent again; None without an Idempotency-Key.
    """

    quantities: Quantities
    ticket_ids: tuple[str, ...] = ()
    digests: RequestDigests | None = None


@dataclass(frozen=True)
class CancelledTickets:
    """The answer to a request.

    Attributes:
        booking: the booking as it is now.
        quantity: how many tickets the request has cancelled.
        refund: the refund of these tickets; None if they were free.
    """

    booking: StoredBooking
    quantity: int
    refund: RefundView | None


def read_request(
    body: CancellationInput, idempotency_key: str | None, actor: Actor
) -> CancellationRequest:
    """Return the cancellation that a request describes.

    Args:
        body: the body as the schema has loaded it.
        idempotency_key: the value of the Idempotency-Key header; None without one.
    """
    return CancellationRequest(
        {item["ticketTypeId"]: item["quantity"] for item in body.get("items", [])},
        tuple(body.get("ticketIds", [])),
        digest_request(actor, idempotency_key, body) if idempotency_key else None,
    )


def cancel_tickets(
    context: BookingContext,
    booking_id: ObjectId,
    request: CancellationRequest,
    actor: Actor,
    now: datetime,
) -> CancelledTickets:
    """Cancel tickets of a confirmed booking, put them back on sale and refund them.

    Repeating a request with its key changes nothing. A stock move that cannot be made now is left
    to the worker, because to answer an error would let a client without a key cancel more tickets.

    Raises:
        BookingNotFound, NotConfirmed, TicketNotFound, TicketCancelled, TicketCheckedIn,
        NotEnoughTickets, CancellationClosed, IdempotencyMismatch: nothing is written.
    """
    for _attempt in range(CHANGE_ATTEMPTS):
        booking = find_visible_booking(context, booking_id, actor)
        if number := _find_repeated(booking, request):
            apply_move_if_pending(context, booking_id, now)
            return _build_answer(find_booking(context, booking_id), number)
        if booking["status"] != rules.CONFIRMED:
            raise NotConfirmed
        places = _choose_places(booking, request)
        refuse_after_deadline(context, booking, actor, now)
        if changed := _cancel_places(context, booking, places, request.digests, now):
            _complete(context, changed, now)
            number = len(changed["cancellations"])
            return _build_answer(find_booking(context, booking_id), number)
        apply_move_if_pending(context, booking_id, now)
    raise Conflict("The booking is being changed; try again")


def _find_repeated(booking: StoredBooking, request: CancellationRequest) -> int:
    """Return the number of the cancellation that this request has made before; 0 if it is new.

    Raises:
        IdempotencyMismatch: its key came with another body before.
    """
    if request.digests is None:
        return 0
    for number, cancellation in enumerate(booking.get("cancellations", []), start=1):
        earlier = cancellation.get("request")
        if earlier and earlier["key"] == request.digests["key"]:
            if earlier["body"] != request.digests["body"]:
                raise IdempotencyMismatch
            return number
    return 0


def _choose_places(booking: StoredBooking, request: CancellationRequest) -> list[str]:
    """Return the places to cancel.

    Of a ticket type, the highest numbers that are not checked in are chosen.

    Raises:
        TicketNotFound, TicketCancelled, TicketCheckedIn, NotEnoughTickets: see the errors.
    """
    left, checked_in = ticket_places.list_places(booking), booking.get("checkIns", {})
    if request.ticket_ids:
        places = [ticket_places.parse_place(booking, each) for each in request.ticket_ids]
        cancelled = ticket_places.find_cancelled_places(booking)
        if gone := [each for each in places if each in cancelled]:
            raise TicketCancelled(ticketIds=_make_ids(booking, gone))
        if not set(places).issubset(left):
            raise TicketNotFound
        if used := [each for each in places if each in checked_in]:
            raise TicketCheckedIn(ticketIds=_make_ids(booking, used))
        return places
    chosen: list[str] = []
    for type_id, quantity in request.quantities.items():
        of_type = [each for each in left if ticket_places.get_type_id(each) == type_id]
        if quantity > len(of_type):
            raise NotEnoughTickets(ticketTypeId=type_id, left=len(of_type))
        free = [each for each in of_type if each not in checked_in]
        if quantity > len(free):
            used = [each for each in of_type if each in checked_in]
            raise TicketCheckedIn(ticketIds=_make_ids(booking, used))
        chosen += free[-quantity:]
    return chosen


def _make_ids(booking: StoredBooking, places: list[str]) -> list[str]:
    return [rules.make_ticket_id(booking["_id"], place) for place in places]


def _cancel_places(
    context: BookingContext,
    booking: StoredBooking,
    places: list[str],
    digests: RequestDigests | None,
    now: datetime,
) -> StoredBooking | None:
    """Cancel tickets in one guarded update, and make their stock move pending.

    Returns:
        The changed booking; None if another request has changed it, its last stock move is still
        pending, or one of the tickets was checked in.
    """
    cancellation: Cancellation = {
        "places": places,
        "refund": None,
        "items": ticket_places.pick_items(booking, places),
    }
    if digests:
        cancellation["request"] = digests
    left = ticket_places.subtract_places(booking, places)
    if not left["items"]:
        cancellation["ended"] = True
        return end_booking(
            context,
            booking,
            rules.CANCELLED,
            "cancelled",
            now,
            guard=NOT_CHECKED_IN,
            cancellation=cancellation,
        )
    number = len(booking.get("cancellations", [])) + 1
    quantities = dict(ticket_places.count_by_type(places))
    move = StockMove.for_return(str(booking["_id"]), quantities, held=False, part=str(number))
    fields: Query = {
        **left,
        "updatedAt": now,
        **store_moves.build_pending_move_fields(move.key, move.changes, "part_cancelled"),
        **rules.build_pending_notification_fields(rules.make_cancellation_kind(number), now),
    }
    if cents := booking["totalCents"] - left["totalCents"]:
        refund = rules.build_refund(cents, booking["currency"], "part_cancelled", now)
        cancellation["refund"] = refund
        fields["refundDueAt"] = rules.find_refund_due_time("part_cancelled", now)
        fields["payment"] = states.update_state(
            booking["payment"], [*rules.list_refunds(booking), refund]
        )
    changed = store.update_booking(
        context.db,
        booking["_id"],
        {**store.build_unchanged_guard(booking), **build_not_checked_in_guard(places)},
        fields,
        build_part_entries(booking, left, now),
        cancellation=cancellation,
    )
    if changed:
        failpoint("part")
    return changed


def build_not_checked_in_guard(places: list[str]) -> Query:
    """Return the guard that none of the tickets at these places is checked in."""
    return {f"checkIns.{place}": {"$exists": False} for place in places}


def _complete(context: BookingContext, changed: StoredBooking, now: datetime) -> None:
    """Apply the stock move of cancelled tickets, try to pay their refund, and offer them."""
    booking_id = changed["_id"]

    def apply_move(_key: object) -> int:
        apply_pending_moves(context, [changed], now)
        return 1

    process_now(context.db, MOVE_KIND, booking_id, apply_move)
    if "refundDueAt" in changed:
        pay_in_request(context, booking_id, now)
    offer_in_request(context, changed["eventId"], now)


def _build_answer(booking: StoredBooking, number: int) -> CancelledTickets:
    """Return the answer to the request that made the cancellation with this number, from 1."""
    places = booking["cancellations"][number - 1]["places"]
    ticket_ids = _make_ids(booking, places)
    refunds = (each for each in views.list_refunds(booking) if each.get("ticketIds") == ticket_ids)
    return CancelledTickets(booking, len(places), next(refunds, None))
