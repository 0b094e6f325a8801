"""The waitlist's turn: tickets that come back are offered to who waits, in order."""

import time
from datetime import datetime
from typing import Any

from bson import ObjectId

from eventapp.bookings import rules, store, ticket_limit
from eventapp.bookings.answers import new_reference
from eventapp.bookings.context import BookingContext
from eventapp.bookings.errors import NoOffer, OfferUnderWay
from eventapp.bookings.purchases import pick_entry
from eventapp.bookings.transitions import cancel, confirm, end, settle_due
from eventapp.core.access.actor import Actor
from eventapp.core.clock import advancing_clock
from eventapp.core.database import Document
from eventapp.core.failpoints import failpoint
from eventapp.events.types import SaleState, TicketType
from eventapp.inventory.service import EventNotFound
from eventapp.waitlist import service as waitlist
from eventapp.waitlist.types import WaitlistEntry

MAX_SHOWN = 100
LEAVE_ATTEMPTS, LEAVE_PAUSE_SECONDS = 50, 0.02


def serve_waiting(context: BookingContext, event_id: int, now: datetime) -> int:
    """Offer what there is to who waits for it, first come first served; how many offers.

    Any number of processes may do so at once: who claims the head of a line makes its offer.
    """
    offers, clock = 0, advancing_clock(now)
    try:
        event = context.inventory.sale_state(event_id, fresh=True)
    except EventNotFound:
        return 0
    for offered in event["ticketTypes"]:
        kind: TicketType | None = offered
        while kind and kind["waiting"] and kind["availableTickets"]:
            type_id, available = kind["ticketTypeId"], kind["availableTickets"]
            after = _offer_head(context, event_id, type_id, available, clock())
            if after is None:
                break
            offers += 1
            kind = _kind(after, type_id)
    return offers


def _kind(event: SaleState, type_id: int) -> TicketType | None:
    return next((k for k in event["ticketTypes"] if k["ticketTypeId"] == type_id), None)


def _offer_head(
    context: BookingContext, event_id: int, type_id: int, available: int, now: datetime
) -> SaleState | None:
    """Make the next in line an offer; the event after it, None where there is nothing to do."""
    head = waitlist.find_first(context.db, event_id, type_id)
    booking_id = ObjectId()
    claimed = head and waitlist.claim_for_offer(context.db, head, booking_id, now)
    if not claimed:
        return None
    failpoint("offer-claim")
    room = ticket_limit.room_for_offer(context, claimed)
    if room is None:  # nobody waits for it: another round comes
        waitlist.release_claim(context.db, claimed["_id"], booking_id)
        return None
    quantity = min(available, claimed["quantity"], room)
    if quantity <= 0:  # has all that one may have, from elsewhere
        waitlist.release_claim(context.db, claimed["_id"], booking_id)
        waitlist.end_entry(context.db, context.inventory, claimed, "closed", now)
        return context.inventory.sale_state(event_id, fresh=True)
    last = quantity == claimed["quantity"]
    event = context.inventory.take_for_offer(
        event_id, str(booking_id), type_id, quantity, last=last, now=now
    )
    if event is None:
        waitlist.release_claim(context.db, claimed["_id"], booking_id)
        return None
    return event if _record(context, claimed, booking_id, event, {type_id: quantity}, now) else None


def _record(
    context: BookingContext,
    entry: WaitlistEntry,
    booking_id: ObjectId,
    event: SaleState,
    taken: dict[int, int],
    now: datetime,
) -> bool:
    """Store the offer; False, with its tickets back, where the worker has given it up already."""
    booking = rules.new_booking(
        booking_id,
        reference=new_reference(),
        user_id=entry["userId"],
        event=event,
        entry=pick_entry(event, None, now),
        taken=taken,
        currency=context.limits.currency,
        hold_until=now + context.limits.offer,
        now=now,
    )
    booking |= {"slot": f"offer-{booking_id}", "waitlistEntryId": entry["_id"]}
    booking |= rules.new_tell(rules.OFFER_TOLD, now)
    booking["offeredQuantity"] = booking["quantity"]
    while not context.record(booking):
        if store.is_void(context.db, booking_id):
            context.inventory.undo(entry["eventId"], str(booking_id))
            return False
        booking["bookingReference"] = new_reference()  # else only its reference can be taken
    failpoint("offer-record")
    waitlist.count_offer(context.db, entry["_id"], booking_id, sum(taken.values()), now)
    failpoint("offered")
    context.inventory.mark_recorded(entry["eventId"], [str(booking_id)])
    return True


def accept(
    context: BookingContext, event_id: int, actor: Actor, quantity: int | None, now: datetime
) -> Document:
    """Make the caller's open offer a confirmed booking; fewer tickets give the rest back.

    Raises:
        NoOffer, HoldExpired, PaymentFailed: nothing is owned.
    """
    offers = _offers(context, actor.require_user_id(), event_id)
    open_offers = [offer for offer in offers if _is_open(offer, now)]
    if not open_offers:
        raise NoOffer
    booking = confirm(context, open_offers[-1]["_id"], actor, now, quantity)
    serve_waiting(context, event_id, now)
    return booking


def cancel_and_offer_on(
    context: BookingContext, booking_id: ObjectId, actor: Actor, now: datetime
) -> Document:
    """Cancel as `service_change.cancel` does, and offer what comes back to who waits."""
    booking = cancel(context, booking_id, actor, now)
    serve_waiting(context, booking["eventId"], now)
    return booking


def leave(context: BookingContext, event_id: int, actor: Actor, now: datetime) -> None:
    """Leave an event's waitlist and give an open offer back. NotOnWaitlist."""
    user_id, left = actor.require_user_id(), 0
    for _attempt in range(LEAVE_ATTEMPTS):
        left += waitlist.leave(
            context.db, context.inventory, user_id=user_id, event_id=event_id, now=now
        )
        # Asked before the offers are read: a place that is gone has its offer among them.
        waiting = waitlist.is_waiting(context.db, user_id, event_id)
        left += sum(_decline(context, offer, now) for offer in _offers(context, user_id, event_id))
        if not waiting:
            break
        time.sleep(LEAVE_PAUSE_SECONDS)  # an offer is just being made of it
    else:
        raise OfferUnderWay
    if not left:
        raise waitlist.NotOnWaitlist
    serve_waiting(context, event_id, now)


def _decline(context: BookingContext, offer: Document, now: datetime) -> bool:
    """Give an open offer back; False where it is none, or is just being accepted."""
    if offer["status"] != rules.HELD:
        return False
    declined = end(context, offer, rules.CANCELLED, "declined", now)
    if declined:
        settle_due(context, [declined], now)
    return declined is not None


def notifications(context: BookingContext, actor: Actor, now: datetime) -> list[dict[str, Any]]:
    """The offers made to the caller, newest first, each with its booking and until when."""
    offers = store.offers_of(context.db, actor.require_user_id(), None, MAX_SHOWN)
    return [
        {
            "bookingId": offer["_id"],
            "bookingReference": offer["bookingReference"],
            "eventId": offer["eventId"],
            "eventTitle": offer["eventTitle"],
            "quantity": offer["quantity"],
            "items": offer["items"],
            "status": "open" if _is_open(offer, now) else _closed_as(offer),
            "expiresAt": offer["expiresAt"],
            "createdAt": offer["createdAt"],
        }
        for offer in offers
    ]


def _offers(context: BookingContext, user_id: ObjectId, event_id: int) -> list[Document]:
    return store.offers_of(context.db, user_id, event_id, MAX_SHOWN)


def _is_open(offer: Document, now: datetime) -> bool:
    return bool(offer["status"] == rules.HELD and offer["expiresAt"] > now)


def _closed_as(offer: Document) -> str:
    words = {rules.CONFIRMED: "accepted", rules.CANCELLED: "declined"}
    return words.get(offer["status"], "expired")
