"""Booking tickets: take them, record the booking, or undo the taking."""

from datetime import datetime

from bson import ObjectId

from eventapp.bookings import rules, store
from eventapp.bookings.answers import answer_of, new_reference, note_of
from eventapp.bookings.context import BookingContext, Sale, Sold
from eventapp.bookings.errors import (
    AlreadyBooked,
    EventPast,
    IdempotencyMismatch,
    OfferUnderWay,
    SoldOut,
    TicketLimit,
)
from eventapp.bookings.idempotency import Replayed, await_twin, earlier, name_of, replay
from eventapp.bookings.purchases import (
    Misread,
    pick_entry,
    refuse_misread,
    refuse_past,
    refuse_too_many,
    resolve,
)
from eventapp.bookings.service import Answer, Order
from eventapp.bookings.ticket_limit import refuse_second
from eventapp.bookings.waitlist_places import but_old_places, record_places
from eventapp.core.access.actor import Actor
from eventapp.core.database import Document
from eventapp.core.errors import DatabaseUnavailable, ValidationFailed
from eventapp.core.metrics import BOOKINGS
from eventapp.events.types import SaleState
from eventapp.inventory.service import Allocation, TicketRequest, TicketTypeNotFound, join_key
from eventapp.waitlist import service as waitlist

REFERENCE_ATTEMPTS = 5
REFUSALS = (
    AlreadyBooked,
    EventPast,
    IdempotencyMismatch,
    Misread,
    OfferUnderWay,
    Replayed,
    TicketLimit,
    TicketTypeNotFound,
    ValidationFailed,
    waitlist.AlreadyWaitlisted,
)


def book(context: BookingContext, actor: Actor, order: Order, now: datetime) -> Answer:
    """Book tickets for the caller, all as ordered or as `on_shortfall` says.

    Raises:
        EventNotFound, TicketTypeNotFound, ValidationFailed, TicketLimit, NotOnSale, EventPast,
        SoldOut, AlreadyBooked, AlreadyWaitlisted, OfferUnderWay, IdempotencyMismatch: nothing
        is written, or it is undone. A process that dies on the way leaves what the worker gives
        back.
    """
    with context.inventory.hiding_drafts(order.event_id, actor):
        return _book(context, actor.require_user_id(), order, now)


def _book(context: BookingContext, user_id: ObjectId, order: Order, now: datetime) -> Answer:
    if answer := replay(context, user_id, order):
        return answer
    items, on_shortfall = resolve(context.inventory, order)
    refuse_too_many(items, context.limits)
    booking_id = ObjectId()
    wanted = TicketRequest(
        booking_id=str(booking_id),
        items=items,
        held=order.hold,
        on_shortfall=on_shortfall,
        requester=name_of(user_id, order),
        waitlist_entry_ids={type_id: str(ObjectId()) for type_id in items},
    )
    refuse_past(context.inventory, order, now)

    def make(verdict: Allocation, event: SaleState) -> Document | None:
        return _plain_booking(context, user_id, order, wanted, verdict, event, now)

    sold = context.sell(order.event_id, Sale(wanted, make, now))
    verdict, event = sold.verdict, sold.event
    try:
        refuse_misread(event, order, items)
        if verdict.is_refusal:
            return _refused(context, user_id, order, verdict, event)
        return _record(context, user_id, order, wanted, sold, now)
    except REFUSALS as refusal:
        _undo(context, order.event_id, wanted, verdict)
        if isinstance(refusal, Replayed):
            return refusal.answer
        if isinstance(refusal, Misread):  # the take has seen the event as it is now
            return _book(context, user_id, order, now)
        BOOKINGS.labels("refused").inc()
        raise


def _record(
    context: BookingContext,
    user_id: ObjectId,
    order: Order,
    wanted: TicketRequest,
    sold: Sold,
    now: datetime,
) -> Answer:
    """Store what was granted, where it is not yet; raises what must be undone."""
    verdict, event = sold.verdict, sold.event
    if not verdict.taken and (answer := await_twin(context, user_id, order)):
        raise Replayed(answer)
    if verdict.waitlisted or event.get("hadWaitlist"):
        refuse_second(context, user_id, order, sum(verdict.taken.values()))
    if verdict.waitlisted:
        verdict = but_old_places(context, user_id, order, wanted, verdict)
    places = waitlist.build_entries(wanted, verdict, event, user_id=user_id, now=now)
    booking = sold.booking or _new_booking(context, user_id, order, wanted, verdict, event, now)
    answer = answer_of(booking, [shown for _, shown in places])
    note = note_of(order, answer)
    if booking:
        if not sold.recorded:
            if note:
                booking["idempotency"] = note
            _insert(context, user_id, order, booking, answer)
        context.inventory.mark_recorded(order.event_id, [wanted.booking_id])
    record_places(context, user_id, order, [entry for entry, _ in places], note, booking)
    BOOKINGS.labels(booking["status"] if booking else "waitlisted").inc()
    if booking:
        context.on_booked(order.event_id)
    return answer


def _plain_booking(
    context: BookingContext,
    user_id: ObjectId,
    order: Order,
    wanted: TicketRequest,
    verdict: Allocation,
    event: SaleState,
    now: datetime,
) -> Document | None:
    """The booking where nothing else is to be looked at: all was granted, nobody ever waited."""
    if verdict.taken != wanted.items or event.get("hadWaitlist"):
        return None
    try:
        refuse_misread(event, order, wanted.items)
        booking = _new_booking(context, user_id, order, wanted, verdict, event, now)
    except REFUSALS:  # the caller comes upon it again, and undoes the take
        return None
    if booking and (note := note_of(order, answer_of(booking, []))):
        booking["idempotency"] = note
    return booking


def _new_booking(
    context: BookingContext,
    user_id: ObjectId,
    order: Order,
    wanted: TicketRequest,
    verdict: Allocation,
    event: SaleState,
    now: datetime,
) -> Document | None:
    if not verdict.taken:
        return None
    return rules.new_booking(
        ObjectId(wanted.booking_id),
        reference=new_reference(),
        user_id=user_id,
        event=event,
        entry=pick_entry(event, order.schedule_index, now),
        taken=verdict.taken,
        currency=context.limits.currency,
        hold_until=now + context.limits.hold if order.hold else None,
        now=now,
    )


def _insert(
    context: BookingContext, user_id: ObjectId, order: Order, booking: Document, answer: Answer
) -> None:
    """Record the booking, under another reference, told in the answer too, where one is in use."""
    for _attempt in range(REFERENCE_ATTEMPTS):
        if context.record(booking):
            return
        if store.is_void(context.db, booking["_id"]):
            raise DatabaseUnavailable  # this process slept, and the worker gave the tickets back
        if twin := earlier(context, user_id, order):
            raise twin
        active = store.active_of(context.db, user_id, order.event_id)
        if any(other["slot"] == rules.DIRECT for other in active):
            raise AlreadyBooked
        reference = new_reference()
        booking["bookingReference"] = answer.data["booking"]["bookingReference"] = reference
    raise AlreadyBooked


def _undo(
    context: BookingContext, event_id: int, wanted: TicketRequest, verdict: Allocation
) -> None:
    for type_id in verdict.waitlisted:
        context.inventory.undo(event_id, join_key(wanted.waitlist_entry_ids[type_id]))
    if verdict.taken:
        context.inventory.undo(event_id, wanted.booking_id)


def _refused(
    context: BookingContext, user_id: ObjectId, order: Order, verdict: Allocation, event: SaleState
) -> Answer:
    """Say no; but first let a twin with the same key, which has the tickets, be recorded."""
    if answer := await_twin(context, user_id, order):
        return answer
    active = store.active_of(context.db, user_id, order.event_id)
    if any(booking["slot"] == rules.DIRECT for booking in active):
        raise AlreadyBooked
    BOOKINGS.labels("sold_out").inc()
    names = {kind["ticketTypeId"]: kind["type"] for kind in event["ticketTypes"]}
    left = [
        {"ticketTypeId": type_id, "type": names[type_id], "availableTickets": quantity}
        for type_id, quantity in verdict.available.items()
    ]
    raise SoldOut(available=sum(verdict.available.values()), ticketTypes=left)
