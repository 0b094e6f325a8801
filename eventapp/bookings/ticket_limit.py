"""At most so many tickets of an event for one user, whoever gives them at the same moment.

A user may have one booking of their own, and beside it what the waitlist gave. Neither side locks
anything. Each first writes what the other looks for, and only then looks for the other:

* a booking: its take notes the user's name on the event (W), in the same write as the tickets;
  it looks for offers in the making, then at what is recorded (R); it is recorded last.
* an offer: it claims its entry (W); it looks for the user's other claims, then at the names on
  the event, then at what is recorded (R); it takes its tickets and is recorded last, and only
  then is the claim given up.

Of any two of them one wrote first; so the other, which looks only after its own write, comes
upon it: under way, for a name stays noted and a claim stays until the booking is recorded or
never can be, or recorded, which is looked at last. A booking that comes upon a claim waits for
what becomes of it; an offer counts what is under way as taken. Neither waits for the other.

A sale of an event that nobody has waited for looks at nothing: its take found no `hadWaitlist`,
so any entry, and its claim, come after the name was noted, and it is the offer that looks.
"""

import time

from bson import ObjectId

from eventapp.bookings import rules, store
from eventapp.bookings.context import BookingContext
from eventapp.bookings.errors import AlreadyBooked, OfferUnderWay, TicketLimit
from eventapp.bookings.idempotency import earlier
from eventapp.bookings.service import Order
from eventapp.waitlist import service as waitlist
from eventapp.waitlist.types import WaitlistEntry

LOOKS, PAUSE_SECONDS = 50, 0.02


def refuse_second(context: BookingContext, user_id: ObjectId, order: Order, taken: int) -> None:
    """Where the waitlist may have given tickets too, one booking alone does not tell the sum.

    Args:
        taken: the tickets that were just taken in the user's name.

    Raises:
        AlreadyBooked, Replayed, TicketLimit: for what the user has already.
        OfferUnderWay: an offer is in the making, and stays so: its process may have died.
    """
    if taken:
        _await_offers(context, user_id, order.event_id)
    active = store.active_of(context.db, user_id, order.event_id)
    if any(booking["slot"] == rules.DIRECT for booking in active):
        raise earlier(context, user_id, order) or AlreadyBooked()
    if taken + sum(booking["quantity"] for booking in active) > context.limits.per_user:
        raise TicketLimit(f"At most {context.limits.per_user} tickets of an event")


def _await_offers(context: BookingContext, user_id: ObjectId, event_id: int) -> None:
    for _look in range(LOOKS):
        if not waitlist.is_being_offered(context.db, user_id, event_id):
            return
        time.sleep(PAUSE_SECONDS)
    raise OfferUnderWay


def room_for_offer(context: BookingContext, entry: WaitlistEntry) -> int | None:
    """How many more tickets of the event the user may have, whose entry is claimed.

    None where that is not known now: another offer is being made, or a booking under way would
    leave no room, and may yet come to nothing.
    """
    user_id, event_id = entry["userId"], entry["eventId"]
    if waitlist.is_being_offered(context.db, user_id, event_id, except_entry=entry["_id"]):
        return None
    under_way = _under_way(context, user_id, event_id)
    active = store.active_of(context.db, user_id, event_id)
    for booking in active:
        under_way.pop(str(booking["_id"]), None)
    room: int = context.limits.per_user - sum(booking["quantity"] for booking in active)
    left = room - sum(under_way.values())
    return left if left > 0 or not under_way else None


def _under_way(context: BookingContext, user_id: ObjectId, event_id: int) -> dict[str, int]:
    """Tickets that were taken in the user's name and of which no booking is recorded, by its id."""
    taken = context.inventory.in_flight.count_taken(event_id, str(user_id))
    recorded = store.existing(context.db, map(ObjectId, taken))
    return {id_: quantity for id_, quantity in taken.items() if ObjectId(id_) not in recorded}
