"""What the worker does behind the requests: expire, settle what a crash left, serve the waiting.

Each step is safe to be cut off anywhere, to be done again, and to be done by several at once.
"""

from datetime import datetime, timedelta

from bson import ObjectId

from eventapp.bookings import store, waitlist_offers
from eventapp.bookings.context import BookingContext
from eventapp.bookings.event_endings import end_all
from eventapp.bookings.transitions import expire, settle_due
from eventapp.core.clock import advancing_clock
from eventapp.events import service as events
from eventapp.events.types import InFlightEntry
from eventapp.waitlist import service as waitlist

# Longer than a request may take: younger marks are somebody's who is still at work.
STANDS_STILL = timedelta(seconds=30)
AT_ONCE = 500


def expire_holds(context: BookingContext, now: datetime) -> int:
    """End the holds and offers whose time is over, and offer their tickets on; how many."""
    lapsed = store.lapsed(context.db, now, AT_ONCE)
    clock = advancing_clock(now)
    expired = [booking for booking in lapsed if expire(context, booking, clock())]
    for event_id in {booking["eventId"] for booking in expired}:
        waitlist_offers.serve_waiting(context, event_id, clock())
    return len(expired)


def serve_all_waiting(context: BookingContext, now: datetime) -> int:
    """Offer tickets wherever some are there for who waits; how many offers."""
    clock = advancing_clock(now)
    return sum(
        waitlist_offers.serve_waiting(context, event_id, clock())
        for event_id in context.inventory.find_event_ids_to_serve(AT_ONCE)
    )


def settle(context: BookingContext, now: datetime) -> int:
    """Finish or undo what has stood still for 30 s; how many events were touched."""
    before = now - STANDS_STILL
    _finish_moves(context, before, now)
    _finish_claims(context, before, now)
    stale = context.inventory.in_flight.find_event_ids_before(before, AT_ONCE)
    for event_id in stale:
        _settle_marks(context, event_id, context.inventory.in_flight.find_before(event_id, before))
        context.inventory.in_flight.refresh_oldest(event_id)
    return len(stale)


def _finish_moves(context: BookingContext, before: datetime, now: datetime) -> None:
    clock = advancing_clock(now)
    for booking in store.with_restock_due(context.db, before, AT_ONCE):
        settle_due(context, [booking], clock())
    waitlist.finish_leaving(
        context.db, context.inventory, before=before, now=clock(), limit=AT_ONCE
    )


def _finish_claims(context: BookingContext, before: datetime, now: datetime) -> None:
    """Offers whose making was cut off: count the one that was recorded, else let the entry go."""
    for entry in waitlist.find_claims_before(context.db, before, AT_ONCE):
        booking_id = entry["offering"]["bookingId"]
        booking = store.get(context.db, booking_id)
        if booking:
            offered = booking["offeredQuantity"]
            waitlist.count_offer(context.db, entry["_id"], booking_id, offered, now)
        elif store.void(context.db, booking_id):
            context.inventory.undo(entry["eventId"], str(booking_id))
            waitlist.release_claim(context.db, entry["_id"], booking_id)


def _settle_marks(context: BookingContext, event_id: int, marks: dict[str, InFlightEntry]) -> None:
    """Strike out what is recorded; undo what is not, and never can be from here on."""
    takes = [ObjectId(key) for key, mark in marks.items() if mark["kind"] == "take"]
    booked = {str(id_) for id_ in store.existing(context.db, takes)}
    done = []
    for key, mark in marks.items():
        kind, _, id_ = key.rpartition("-")
        if key in booked:
            done.append(key)
        elif mark["kind"] == "take":
            if store.void(context.db, ObjectId(key)):
                context.inventory.undo(event_id, key)
        elif mark["kind"] == "enter":
            if waitlist.entry_exists(context.db, ObjectId(id_)):
                done.append(key)
            elif waitlist.insert_tombstone(context.db, ObjectId(id_)):
                context.inventory.undo(event_id, key)
        elif not _is_due(context, kind, ObjectId(id_)):
            done.append(key)
    context.inventory.in_flight.clear(event_id, done)


def _is_due(context: BookingContext, kind: str, id_: ObjectId) -> bool:
    if kind == "leave":
        return waitlist.is_pending_leave(context.db, id_)
    booking = store.get(context.db, id_)
    due = (booking or {}).get("due", {}).get("key") == f"{kind}-{id_}"
    return due and (booking or {}).get("restock") == "due"


def close_past(context: BookingContext, now: datetime) -> int:
    """Complete past events and end the waiting for them; how many."""
    completed = events.complete_past(context.db, now)
    for event_id in context.inventory.find_ended_event_ids_with_waitlist(AT_ONCE):
        waitlist.close_waitlist(context.db, context.inventory, event_id, now)
    return len(completed)


def close_cancelled(context: BookingContext, now: datetime) -> int:
    """End bookings and waiting of cancelled events, those too that a sale under way still made."""
    closing = events.closing(context.db)
    for event_id, _since in closing:
        # Looked at first: what is recorded after this has its mark until the next round.
        event = context.inventory.in_flight.find_event(event_id)
        ended = end_all(context, event_id, "event_cancelled", now)
        waitlist.close_waitlist(context.db, context.inventory, event_id, now)
        if event and not event["inFlight"] and not ended:
            events.closed(context.db, event_id)
    return len(closing)
