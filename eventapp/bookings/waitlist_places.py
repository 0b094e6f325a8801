"""The places on the waitlist that an order gives beside tickets, or in their stead."""

from dataclasses import replace

from bson import ObjectId

from eventapp.bookings.context import BookingContext
from eventapp.bookings.idempotency import earlier
from eventapp.bookings.service import Order
from eventapp.core.database import Document
from eventapp.inventory.service import Allocation, TicketRequest, join_key
from eventapp.waitlist import service as waitlist
from eventapp.waitlist.types import IdempotencyRecord, WaitlistEntry


def but_old_places(
    context: BookingContext,
    user_id: ObjectId,
    order: Order,
    wanted: TicketRequest,
    verdict: Allocation,
) -> Allocation:
    """A type that the user waits for already keeps its old place: the new one is given up."""
    old = (
        waitlist.find_waited_type_ids(context.db, user_id, order.event_id)
        & verdict.waitlisted.keys()
    )
    for type_id in old:
        context.inventory.undo(order.event_id, join_key(wanted.waitlist_entry_ids[type_id]))
    waits = {id_: place for id_, place in verdict.waitlisted.items() if id_ not in old}
    if not waits and not verdict.taken:
        raise earlier(context, user_id, order) or waitlist.AlreadyWaitlisted()
    return replace(verdict, waitlisted=waits)


def record_places(
    context: BookingContext,
    user_id: ObjectId,
    order: Order,
    entries: list[WaitlistEntry],
    note: IdempotencyRecord | None,
    booking: Document | None,
) -> None:
    """Store the entries; a type that is waited for already keeps its old place.

    Where there is no booking, the first that is stored has the note of the key.
    """
    told = booking is not None
    for entry in entries:
        if note and not told:
            entry["idempotency"] = note
        if waitlist.record_entry(context.db, context.inventory, entry):
            told = True
        elif not told and (twin := earlier(context, user_id, order)):
            raise twin
    if not told:
        raise waitlist.AlreadyWaitlisted
