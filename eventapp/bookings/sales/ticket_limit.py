"""Limit the tickets of an event that one user may have, purchased and offered, to `per_user`.

A ticket type may have a limit of its own, `maxPerUser`, which is kept in the same way.

A user may make one booking of an event, and may get more bookings as waitlist offers. A purchase
and an offer may run at the same time in two processes, without a lock. Each sets a flag in the
database before it searches for the flag of the other:

* A purchase takes its tickets. The same update sets its flag, an in-flight entry with the user's
  id. Then it searches for offers in progress, and last for stored bookings. Finally its booking is
  stored.
* Taking the tickets of an expired booking again, because its payment came late, goes like a
  purchase. Then the booking becomes active in the slot of purchases.
* An offer claims a waitlist entry: the claim is its flag. Then it searches for other claims of the
  user, then for in-flight entries of the user, and last for stored bookings. Finally it takes its
  tickets, its booking is stored, and the claim is dropped.

Proof. Of any two operations, one set its flag first. The second one searches after it has set its
own flag, and so after the first flag was set. If the first operation is still in progress, the
second one finds its flag, because a flag stays until the booking is stored or can never be stored.
If the first booking is stored, the second operation finds the booking, because it reads
stored bookings last. So two operations cannot both miss each other and exceed the limit together.

A purchase that finds a claim waits until the claim is gone. An offer that finds an operation in
progress counts its tickets as taken, or makes no offer now. So no two operations wait for each
other.

A purchase for an event without `hadWaitlist` searches for nothing. When it took its tickets there
had never been a waitlist entry, so every claim is written later than its in-flight entry, and the
offer finds that entry.
"""

from bson import ObjectId

from eventapp.bookings import rules, store
from eventapp.bookings.context import BookingContext
from eventapp.bookings.errors import AlreadyBooked, OfferUnderWay
from eventapp.bookings.sales import idempotency
from eventapp.bookings.sales.purchases import Purchase
from eventapp.bookings.types import StoredBooking
from eventapp.core.database import Db
from eventapp.core.waiting import BoundedWait
from eventapp.events.types import SaleState
from eventapp.inventory.quantity_limits import refuse_quantities_of_user
from eventapp.inventory.service import (
    Allocation,
    Quantities,
    TicketLimit,
    parse_document_id,
    parse_retake_key,
    sum_quantities,
)
from eventapp.waitlist import service as waitlist
from eventapp.waitlist.types import WaitlistEntry

# How long a purchase waits until a claim is gone, and the pause after each check.
MAX_WAIT_SECONDS, PAUSE_SECONDS = 1.0, 0.02


def refuse_over_limit(
    context: BookingContext,
    user_id: ObjectId,
    purchase: Purchase,
    allocation: Allocation,
    event: SaleState,
) -> None:
    """Refuse a purchase if the user has a booking already or would have too many tickets.

    Args:
        allocation: the tickets that were just taken for the purchase, and for how many it was just
            put on the waitlist.
        event: the event right after that.

    Raises:
        AlreadyBooked, AnsweredBefore, TicketLimit: because of the user's other bookings.
        OfferUnderWay: an offer to the user has taken longer than MAX_WAIT_SECONDS. Its process may
            have died.
    """
    if allocation.taken:
        await_offers(context, user_id, purchase.event_id)
    active = store.find_active_bookings(context.db, user_id, purchase.event_id)
    if rules.has_direct_booking(active):
        idempotency.raise_if_answered(context.db, user_id, purchase)
        raise AlreadyBooked
    waitlisted = {id_: each.quantity for id_, each in allocation.waitlisted.items()}
    wanted = sum_quantities([allocation.taken, waitlisted, *map(_get_quantities, active)])
    limit = context.limits.per_user
    if sum(wanted.values()) > limit:
        raise TicketLimit(f"At most {limit} tickets of an event", limit=limit)
    refuse_quantities_of_user(event, wanted)


def _get_quantities(booking: StoredBooking) -> Quantities:
    return rules.collect_quantities(booking["items"])


def count_tickets(db: Db, user_id: ObjectId, event_id: int) -> int:
    """Return how many tickets of an event a user has, purchased and offered together."""
    active = store.find_active_bookings(db, user_id, event_id)
    return sum(booking["quantity"] for booking in active)


def await_offers(context: BookingContext, user_id: ObjectId, event_id: int) -> None:
    """Wait until no offer to a user is in progress, after tickets were taken for that user.

    Raises:
        OfferUnderWay: an offer takes longer than MAX_WAIT_SECONDS.
    """
    wait = BoundedWait(
        max_seconds=MAX_WAIT_SECONDS, pause_seconds=PAUSE_SECONDS, error=OfferUnderWay
    )
    while waitlist.is_offer_in_progress(context.db, user_id, event_id):
        wait.pause()


def count_tickets_left_for_offer(
    context: BookingContext, entry: WaitlistEntry, max_per_user: int | None, needed: int = 1
) -> int | None:
    """Return how many more tickets the user of a claimed waitlist entry may have of its type.

    Args:
        max_per_user: the limit of the ticket type; None without one. The limit of the server for
            the whole event holds besides.
        needed: the fewest tickets that an offer may have.

    Returns:
        None if this is not decided yet: another offer to the user is in progress, or a purchase in
        progress uses up the limit but may still fail.
    """
    user_id, event_id = entry["userId"], entry["eventId"]
    if waitlist.is_offer_in_progress(context.db, user_id, event_id, except_entry=entry["_id"]):
        return None
    in_progress = _find_tickets_in_progress(context, user_id, event_id)
    active = store.find_active_bookings(context.db, user_id, event_id)
    for booking in active:
        in_progress.pop(str(booking["_id"]), None)
    owned = sum_quantities([*map(_get_quantities, active), *in_progress.values()])
    remaining = context.limits.per_user - sum(owned.values())
    if max_per_user is not None:
        remaining = min(remaining, max_per_user - owned.get(entry["ticketTypeId"], 0))
    return remaining if remaining >= needed or not in_progress else None


def _find_tickets_in_progress(
    context: BookingContext, user_id: ObjectId, event_id: int
) -> dict[str, Quantities]:
    """Return the tickets that the user's unrecorded takes have taken, by hex booking id.

    The booking of a payment that came late is stored before its take. Its take counts as long as it
    is in flight, unless the booking is active.
    """
    taken = context.inventory.in_flight_entries.find_taken(event_id, str(user_id))
    sales = [ObjectId(key) for key in taken if not parse_retake_key(key)]
    recorded = {str(id_) for id_ in store.find_existing_ids(context.db, sales)}
    return {parse_document_id(key): taken[key] for key in taken if key not in recorded}
