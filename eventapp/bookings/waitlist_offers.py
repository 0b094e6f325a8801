"""Offer tickets that are available again to waiting users, in order.

An offer is a held booking that is made from a waitlist entry. Several processes may make offers at
the same time. A process claims the first entry that can be served, determines how many tickets the
user may have, takes them, stores the offer, and subtracts it from the entry, which drops the claim.
If the process dies on the way, `bookings.recovery` subtracts the offer if it is stored, and undoes
the other steps if it is not. `bookings.offer_answers` is what users do with an offer.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial

from bson import ObjectId

from eventapp.bookings import rules, store, store_due
from eventapp.bookings.context import BookingContext
from eventapp.bookings.ledger.entries import add_first_entry
from eventapp.bookings.sales import ticket_limit
from eventapp.bookings.sales.batches import generate_reference
from eventapp.bookings.transitions import (
    apply_pending_moves,
    cancel_booking,
    end_booking,
    expire_hold,
)
from eventapp.bookings.types import AttendeesByType, StoredBooking
from eventapp.core.access.actor import Actor
from eventapp.core.clock import start_clock
from eventapp.core.failpoints import failpoint
from eventapp.due_work.service import DueRun, process_due, process_now
from eventapp.events.types import SaleState, ScheduleEntry, TicketType
from eventapp.inventory.service import EventNotFound, OfferableQueue
from eventapp.waitlist import service as waitlist
from eventapp.waitlist.listing import find_awaited_entry
from eventapp.waitlist.types import CloseReason, WaitlistEntry

# What one run of the worker handles. The next run, seconds later, handles more.
MAX_HOLDS_PER_RUN = MAX_EVENTS_PER_RUN = 500
# Waitlist entries of one event that a request, and a run of the worker, make offers from.
MAX_OFFERS_PER_REQUEST, MAX_OFFERS_PER_RUN = 10, 200
# The name of this work in the records of what fails.
OFFER_KIND = "offer"


def offer_tickets(
    context: BookingContext, event_id: int, now: datetime, limit: int = MAX_OFFERS_PER_RUN
) -> int:
    """Offer the available tickets of an event to its waitlist; return how many offers were made.

    Of all who can be served, who joined first is next. If no offer can be made to an entry now, the
    stocks that it needs are left alone until the next run.

    Args:
        limit: the most waitlist entries to handle; the next run of the worker handles more.
    """
    offers, clock, blocked = 0, start_clock(now), set[str]()
    try:
        state = context.inventory.get_sale_state(event_id, fresh=True)
        for _ in range(limit):
            moment = clock()
            queues = context.inventory.find_offerable_queues(state, moment)
            found = _find_first(context, state, [q for q in queues if not blocked & q.stocks])
            if not found:
                break
            after, is_offered = _offer_to(context, *found, moment)
            offers += is_offered
            if not after:
                blocked |= found[1].stocks
            state = after or context.inventory.get_sale_state(event_id, fresh=True)
        context.inventory.move_queues(state, clock())
    except EventNotFound:
        pass
    return offers


def offer_in_request(context: BookingContext, event_id: int, now: datetime) -> None:
    """Make a few offers in a request that returned tickets; the worker makes the others.

    The request does not fail if an offer does. The worker tries again.
    """
    process_now(
        context.db,
        OFFER_KIND,
        event_id,
        lambda _key: offer_tickets(context, event_id, now, MAX_OFFERS_PER_REQUEST),
    )


def _find_first(
    context: BookingContext, event: SaleState, queues: Sequence[OfferableQueue]
) -> tuple[WaitlistEntry, OfferableQueue] | None:
    """Return the first entry of all these queues for which enough tickets are available.

    The others keep their places. An offer has at least `minPerBooking` tickets. An entry that wants
    fewer needs all it wants.
    """
    by_pair = {(queue.schedule_id, queue.type_id): queue for queue in queues}
    limits = {
        pair: queue.available if 0 < queue.available < _get_least(event, queue) else None
        for pair, queue in by_pair.items()
    }
    first = waitlist.find_first_entry(context.db, event["eventId"], limits)
    return (first, by_pair[first["scheduleId"], first["ticketTypeId"]]) if first else None


def _find_type(event: SaleState, type_id: int) -> TicketType:
    return next(each for each in event["ticketTypes"] if each["ticketTypeId"] == type_id)


def _get_least(event: SaleState, queue: OfferableQueue) -> int:
    return _find_type(event, queue.type_id).get("minPerBooking", 1)


def _offer_to(
    context: BookingContext, entry: WaitlistEntry, queue: OfferableQueue, now: datetime
) -> tuple[SaleState | None, bool]:
    """Make an offer from a waitlist entry, the first of its queue that can get enough tickets.

    The entry is closed instead if its user has as many tickets as the limits allow, or if the
    schedule entry that it waits for is over.

    Returns:
        The event after the offer or the closing, and whether an offer was made. The event is None
        if no offer can be made from the entry now.
    """
    booking_id, event_id = ObjectId(), entry["eventId"]
    claimed = waitlist.claim_for_offer(context.db, entry, booking_id, now)
    if not claimed:
        return None, False
    failpoint("offer-claim")
    if claimed.get("forgotten"):  # The user was deleted while an earlier offer was being made.
        waitlist.release_claim(context.db, claimed["_id"], booking_id)
        waitlist.end_entry(context.db, context.inventory, claimed, "left", now)
        return context.inventory.get_sale_state(event_id, fresh=True), False
    state = context.inventory.get_sale_state(event_id, fresh=True)
    schedule_entry = _find_entry_to_offer(state, claimed, now)
    ticket_type = _find_type(state, queue.type_id)
    available = queue.available
    quantity = _choose_quantity(context, claimed, ticket_type, available) if schedule_entry else 0
    if not schedule_entry or not quantity:
        waitlist.release_claim(context.db, claimed["_id"], booking_id)
        if quantity is None:  # The worker tries again.
            return None, False
        reason: CloseReason = "ticket_limit" if schedule_entry else "entry_over"
        waitlist.end_entry(context.db, context.inventory, claimed, "closed", now, reason)
        return context.inventory.get_sale_state(event_id, fresh=True), False
    event = context.inventory.take_for_offer(
        state,
        str(booking_id),
        queue.schedule_id,
        queue.type_id,
        quantity,
        ends_entry=claimed["quantity"] <= quantity,
        now=now,
    )
    if event is None:
        waitlist.release_claim(context.db, claimed["_id"], booking_id)
        return None, False
    taken = {queue.type_id: quantity}
    offer = _build_offer(context, claimed, booking_id, state, schedule_entry, taken, now)
    is_recorded = _record_offer(context, claimed, offer, now)
    return event if is_recorded else None, is_recorded


def _find_entry_to_offer(
    event: SaleState, entry: WaitlistEntry, now: datetime
) -> ScheduleEntry | None:
    """Return the schedule entry that a waitlist entry waits for; None if it is over or gone."""
    awaited = find_awaited_entry(entry, event["schedule"])
    return awaited if awaited and awaited["overAt"] > now else None


def _choose_quantity(
    context: BookingContext, entry: WaitlistEntry, ticket_type: TicketType, available: int
) -> int | None:
    """Return how many tickets to offer to the user of a claimed waitlist entry.

    Returns:
        0 if the limits leave the user fewer than an offer must have; None if no offer can be made
        now.
    """
    wanted = entry["quantity"]
    needed = min(ticket_type.get("minPerBooking", 1), wanted)
    max_per_user = ticket_type.get("maxPerUser")
    allowed = ticket_limit.count_tickets_left_for_offer(context, entry, max_per_user, needed)
    if allowed is None or available < needed:
        return None
    maximum = ticket_type.get("maxPerBooking", wanted)
    return min(available, wanted, allowed, maximum) if allowed >= needed else 0


def _build_offer(
    context: BookingContext,
    entry: WaitlistEntry,
    booking_id: ObjectId,
    event: SaleState,
    schedule_entry: ScheduleEntry,
    taken: dict[int, int],
    now: datetime,
) -> StoredBooking:
    offer = rules.build_booking(
        booking_id,
        reference=generate_reference(),
        user_id=entry["userId"],
        event=event,
        schedule_entry=schedule_entry,
        taken=taken,
        currency=context.limits.currency,
        hold_until=now + context.limits.offer,
        now=now,
        attendees=_choose_attendees(entry, taken),
    )
    if not entry.get("holderIsShown"):
        offer.pop("holderIsShown", None)
    offer["slot"] = f"offer-{booking_id}"
    offer["waitlistEntryId"] = entry["_id"]
    offer["offeredQuantity"] = offer["quantity"]
    return add_first_entry(rules.add_pending_notification(offer, rules.WAITLIST_OFFER, now))


def _choose_attendees(entry: WaitlistEntry, taken: Mapping[int, int]) -> AttendeesByType:
    """Return the attendees of an offer: those who follow the ones of earlier offers."""
    attendees = entry.get("attendees", [])
    offered = len(attendees) - entry["quantity"]
    return {
        type_id: attendees[offered : offered + quantity]
        for type_id, quantity in taken.items()
        if attendees
    }


def _record_offer(
    context: BookingContext, entry: WaitlistEntry, offer: StoredBooking, now: datetime
) -> bool:
    """Store an offer and subtract it from its entry.

    Returns:
        False, with the tickets given back, if recovery has inserted a tombstone under the offer's
        id.
    """
    booking_id, event_id = offer["_id"], offer["eventId"]
    while not context.sales.record(offer):
        if store.has_tombstone(context.db, booking_id):
            context.inventory.undo(event_id, str(booking_id))
            return False
        # Its slot is unique, so only its reference can be in use.
        offer["bookingReference"] = generate_reference()
    failpoint("offer-record")
    waitlist.subtract_offer(context.db, entry["_id"], booking_id, offer["quantity"], now)
    failpoint("offered")
    context.inventory.allow_clearing(event_id, [str(booking_id)])
    withdraw_forgotten(context, entry["_id"], offer, now)
    return True


def withdraw_forgotten(
    context: BookingContext, entry_id: ObjectId, offer: StoredBooking, now: datetime
) -> None:
    """Decline an offer whose user was deleted while it was made, and remove the user from it.

    A deletion removes the user from the claimed entry before it looks for offers, and this reads
    the entry after the offer is stored. So one of both finds what the other has written.
    """
    if waitlist.is_forgotten(context.db, entry_id):
        decline_offer(context, offer, now)
        if offer["userId"]:
            store.forget_user(context.db, offer["userId"])


def decline_offer(context: BookingContext, offer: StoredBooking, now: datetime) -> bool:
    """Decline an open offer; return False if it is not open, or another request is changing it."""
    if offer["status"] != rules.HELD:
        return False
    declined = end_booking(context, offer, rules.CANCELLED, "declined", now)
    if declined:
        apply_pending_moves(context, [declined], now)
    return declined is not None


def cancel_and_offer(
    context: BookingContext, booking_id: ObjectId, actor: Actor, now: datetime
) -> StoredBooking:
    """Cancel a booking by `transitions.cancel_booking`, and offer its tickets to the waitlist."""
    booking = cancel_booking(context, booking_id, actor, now)
    offer_in_request(context, booking["eventId"], now)
    return booking


def expire_holds(context: BookingContext, now: datetime) -> int:
    """Expire holds and offers whose time is over, and offer their tickets to the waitlist.

    Returns:
        How many holds were expired.
    """
    clock, freed = start_clock(now), set[int]()

    def expire(booking: StoredBooking) -> int:
        if not expire_hold(context, booking, clock()):
            return 0
        freed.add(booking["eventId"])
        return 1

    expired = process_due(
        context.db,
        "expired hold",
        now,
        find=partial(store_due.find_expired_holds, context.db, now),
        limit=MAX_HOLDS_PER_RUN,
        get_key=lambda booking: booking["_id"],
        handle=expire,
    )
    if freed:
        run = DueRun(context.db, OFFER_KIND, clock())
        _offer_each(context, run, sorted(freed.difference(run.waiting)), clock())
    return expired


def offer_available_tickets(context: BookingContext, now: datetime) -> int:
    """Offer the available tickets of events with a waitlist; return how many offers were made.

    If there are more such events than one run handles, the next run begins after the last of them.
    """
    run = DueRun(context.db, OFFER_KIND, now)
    after = context.last_offered_event_id
    event_ids = context.inventory.find_event_ids_to_offer(
        now, MAX_EVENTS_PER_RUN, after=after, without=run.waiting
    )
    offers = _offer_each(context, run, event_ids, now)
    has_more = len(event_ids) == MAX_EVENTS_PER_RUN
    context.last_offered_event_id = event_ids[-1] if has_more else 0
    if not after and not has_more:
        run.forget_absent()
    return offers


def _offer_each(
    context: BookingContext, run: DueRun, event_ids: Sequence[int], now: datetime
) -> int:
    clock = start_clock(now)
    return run.process(
        event_ids,
        get_key=lambda event_id: event_id,
        handle=lambda event_id: offer_tickets(context, event_id, clock()),
    )
