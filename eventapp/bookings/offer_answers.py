"""Accept offers and leave the waitlist: what users do with the offers that they get."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from bson import ObjectId

from eventapp.accounts.verification import require_verified_email
from eventapp.bookings import rules, store
from eventapp.bookings.context import BookingContext
from eventapp.bookings.errors import NoOffer, OfferUnderWay
from eventapp.bookings.offer_lists import determine_offer_status
from eventapp.bookings.payments.checkout import Checkout, PaymentRequest, pay
from eventapp.bookings.types import StoredBooking
from eventapp.bookings.waitlist_offers import decline_offer, offer_in_request
from eventapp.core.access.actor import Actor
from eventapp.core.waiting import BoundedWait
from eventapp.waitlist import service as waitlist

# The newest offers of a user and event that are looked at.
MAX_LISTED = 100
# How long leaving waits while an offer is being made, and the pause after each attempt.
MAX_WAIT_SECONDS, PAUSE_SECONDS = 1.0, 0.02


class LeftWaitlist(NamedTuple):
    """What a user gave up: active entries, and the tickets of open offers."""

    entries: int
    tickets: int


def accept_offer(
    context: BookingContext,
    event_id: int,
    actor: Actor,
    quantity: int | None,
    now: datetime,
    *,
    booking_id: ObjectId | None = None,
) -> Checkout:
    """Accept an open offer to the caller: begin its payment, or confirm it if it is free.

    Args:
        quantity: how many of the offered tickets to take; None for all. If it is more than were
            offered, all are taken.
        booking_id: the id of the offer; None for the newest open one, or that of the caller's link.

    Returns:
        The booking, which is held until the provider says that the money came.

    Raises:
        NoOffer, HoldExpired, PaymentUnderWay, PaymentFailed, ProviderUnavailable, EmailNotVerified:
            the booking is not confirmed.
    """
    user_id = actor.require_holder_id()
    booking_id = _choose_offer(actor, booking_id)
    if context.limits.requires_verified_email:
        require_verified_email(context.db, user_id)
    offers = _find_offers(context, user_id, event_id, booking_id)
    newest = next((offer for offer in offers if rules.is_open_hold(offer, now)), None)
    if newest is None:
        raise _make_no_offer(offers, "last offer" if booking_id is None else "offer", now)
    checkout = pay(context, newest["_id"], actor, PaymentRequest(quantity), now)
    offer_in_request(context, event_id, now)
    return checkout


def _choose_offer(actor: Actor, booking_id: ObjectId | None) -> ObjectId | None:
    """Return the id of the offer that a caller means; None for the newest open one.

    Raises:
        NoOffer: the caller has the link of another booking, and learns nothing of this one.
    """
    if actor.link is None:
        return booking_id
    if booking_id not in (None, actor.link.booking_id):
        raise NoOffer
    return actor.link.booking_id


def _make_no_offer(offers: Sequence[StoredBooking], name: str, now: datetime) -> NoOffer:
    """Return the error that says what became of the first of these offers, which has ended.

    Args:
        name: what the message calls the offer.
    """
    if not offers:
        return NoOffer()
    status = determine_offer_status(offers[0], now)
    return NoOffer(
        f"Your {name}, {offers[0]['bookingReference']}, was {status}", offerStatus=status
    )


def leave_waitlist(
    context: BookingContext,
    event_id: int,
    actor: Actor,
    now: datetime,
    *,
    schedule_id: int | None = None,
) -> LeftWaitlist:
    """End the caller's waitlist entries for an event, and decline their open offers.

    Args:
        schedule_id: leave only what is for this schedule entry; None to leave all.

    Raises:
        NotOnWaitlist: there was nothing to end or decline.
        OfferUnderWay: an offer to the caller took too long to make.
    """
    user_id, ended, tickets = actor.require_user_id(), 0, 0
    wait = BoundedWait(
        max_seconds=MAX_WAIT_SECONDS, pause_seconds=PAUSE_SECONDS, error=OfferUnderWay
    )
    while True:
        ended += waitlist.end_entries(
            context.db,
            context.inventory,
            user_id=user_id,
            event_id=event_id,
            schedule_id=schedule_id,
            now=now,
        )
        # The entries are read before the offers, so that the offer of an ended entry is found.
        is_waiting = waitlist.is_waiting(context.db, user_id, event_id, schedule_id)
        offers = _find_offers(context, user_id, event_id)
        declined = [
            offer
            for offer in offers
            if schedule_id in (None, offer.get("scheduleId")) and decline_offer(context, offer, now)
        ]
        tickets += sum(offer["quantity"] for offer in declined)
        if not is_waiting:
            break
        wait.pause()  # An entry is claimed: its offer is being made.
    if not ended and not tickets:
        raise waitlist.NotOnWaitlist
    offer_in_request(context, event_id, now)
    return LeftWaitlist(ended, tickets)


def withdraw_user(context: BookingContext, user_id: ObjectId, now: datetime) -> None:
    """End what a deleted user waits for or holds, and give the tickets back at once.

    Waitlist entries are ended, and open offers and holds are declined.
    """
    event_ids = waitlist.end_all_entries(context.db, context.inventory, user_id, now)
    waitlist.forget_user(context.db, user_id)  # Before the offers are read: `withdraw_forgotten`.
    for held in store.find_held_of_user(context.db, user_id):
        decline_offer(context, held, now)
        event_ids.add(held["eventId"])
    for event_id in event_ids:
        offer_in_request(context, event_id, now)


def _find_offers(
    context: BookingContext, user_id: ObjectId, event_id: int, booking_id: ObjectId | None = None
) -> list[StoredBooking]:
    """Return offers to a user for one event, newest first; only the one with `booking_id` if given.

    It is not there if it is an offer to someone else, or for another event.
    """
    return store.find_offers(context.db, user_id, event_id, MAX_LISTED, booking_id)
