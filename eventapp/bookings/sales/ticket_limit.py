"""Let a user have at most `Limits.per_user` tickets of an event, bought and offered together.

A user may make one booking of an event, and the waitlist may give more (offers). Both may happen at
the same time, in two processes, and neither locks anything. Each first writes something that the
other looks for, and only then looks for what the other writes:

* A purchase takes its tickets. The same update writes an in-flight entry with the user's id. Then
  the purchase looks for offers in progress, and last for stored bookings. It is stored at the end.
* An offer claims its waitlist entry. Then it looks for the user's other claims, then for in-flight
  entries of the user, and last for stored bookings. It takes its tickets, is stored, and gives up
  the claim.

Proof. Of any two of them one wrote first. The other looks after its own write, so it looks after
the first write as well. At that time the first one is either in progress or has come to its end.
If it is in progress, its in-flight entry or its claim is found, because both stay until the booking
is stored or can never be stored. If it was stored, the booking is found, because stored bookings
are looked at last. So the limit cannot be exceeded by two that do not see each other.

A purchase that finds a claim waits until the claim is gone. An offer that finds something in
progress counts it as taken and does not wait. So neither waits for the other.

A purchase for an event without `hadWaitlist` looks at nothing. Its take saw no waitlist entry, so
every claim is written after its in-flight entry, and the offer finds the entry.
"""

import time

from bson import ObjectId

from eventapp.bookings import rules, store
from eventapp.bookings.context import BookingContext
from eventapp.bookings.errors import AlreadyBooked, OfferUnderWay, TicketLimit
from eventapp.bookings.sales import idempotency
from eventapp.bookings.sales.purchases import Purchase
from eventapp.waitlist import service as waitlist
from eventapp.waitlist.types import WaitlistEntry

WAIT_ATTEMPTS, WAIT_PAUSE_SECONDS = 50, 0.02


def refuse_over_limit(
    context: BookingContext, user_id: ObjectId, purchase: Purchase, taken: int
) -> None:
    """Refuse a purchase if the user has a booking already or would have too many tickets.

    Args:
        taken: the tickets that were just taken for the purchase.

    Raises:
        AlreadyBooked, AnsweredBefore, TicketLimit: because of what the user has already.
        OfferUnderWay: an offer is in progress for too long; its process may have died.
    """
    if taken:
        _await_offers(context, user_id, purchase.event_id)
    active = store.find_active_bookings(context.db, user_id, purchase.event_id)
    if any(booking["slot"] == rules.DIRECT_SLOT for booking in active):
        idempotency.raise_if_answered(context, user_id, purchase)
        raise AlreadyBooked
    if taken + sum(booking["quantity"] for booking in active) > context.limits.per_user:
        raise TicketLimit(f"At most {context.limits.per_user} tickets of an event")


def _await_offers(context: BookingContext, user_id: ObjectId, event_id: int) -> None:
    for _attempt in range(WAIT_ATTEMPTS):
        if not waitlist.is_being_offered(context.db, user_id, event_id):
            return
        time.sleep(WAIT_PAUSE_SECONDS)
    raise OfferUnderWay


def tickets_left_for_offer(context: BookingContext, entry: WaitlistEntry) -> int | None:
    """Return how many more tickets of the event the user of a claimed waitlist entry may have.

    Returns:
        None if this cannot be known now: another offer of the user is in progress, or a purchase in
        progress would leave none but may still fail.
    """
    user_id, event_id = entry["userId"], entry["eventId"]
    if waitlist.is_being_offered(context.db, user_id, event_id, except_entry=entry["_id"]):
        return None
    in_progress = _tickets_in_progress(context, user_id, event_id)
    active = store.find_active_bookings(context.db, user_id, event_id)
    for booking in active:
        in_progress.pop(str(booking["_id"]), None)
    owned = sum(booking["quantity"] for booking in active)
    remaining = context.limits.per_user - owned - sum(in_progress.values())
    return remaining if remaining > 0 or not in_progress else None


def _tickets_in_progress(
    context: BookingContext, user_id: ObjectId, event_id: int
) -> dict[str, int]:
    """Return the tickets taken for the user of which no booking is stored, by hex booking id."""
    taken = context.inventory.in_flight.count_taken(event_id, str(user_id))
    stored = store.find_existing_ids(context.db, map(ObjectId, taken))
    return {id_: quantity for id_, quantity in taken.items() if ObjectId(id_) not in stored}
