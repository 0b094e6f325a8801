"""What the worker does for bookings: expire holds, make offers, and recover from crashes.

Every change of a booking is several writes, and a process may die between any two of them. What it
leaves is found by its age: whatever is older than ABANDONED_AFTER, which is longer than a request
may take, has no process that works on it. There are four kinds of it:

* A pending stock move of a booking or of an ended waitlist entry is made.
* A claimed waitlist entry: if the offer is stored, it is counted; else its id is voided, its
  tickets are given back, and the claim is released.
* An in-flight entry of a take or a join: if the booking or waitlist entry is stored, the in-flight
  entry is cleared. Else the id is voided first, so that a process that was only suspended can no
  longer store it, and then the tickets are given back.
* An in-flight entry of a stock move is cleared once the move is recorded as made.

Every step may be interrupted, repeated, and run by several workers at the same time.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from bson import ObjectId

from eventapp.bookings import store
from eventapp.bookings.context import BookingContext
from eventapp.bookings.transitions import make_pending_moves
from eventapp.core.clock import advancing_clock
from eventapp.events.types import InFlightEntry
from eventapp.waitlist import service as waitlist

ABANDONED_AFTER = timedelta(seconds=30)
MAX_PER_RUN = 500


def recover(context: BookingContext, now: datetime) -> int:
    """Complete or undo what was abandoned; return how many events had abandoned entries."""
    before = now - ABANDONED_AFTER
    _make_pending_moves(context, before, now)
    _finish_claims(context, before, now)
    event_ids = context.inventory.in_flight.find_event_ids_before(before, MAX_PER_RUN)
    for event_id in event_ids:
        entries = context.inventory.in_flight.find_before(event_id, before)
        _resolve_in_flight_entries(context, event_id, entries)
        context.inventory.in_flight.refresh_oldest(event_id)
    return len(event_ids)


def _make_pending_moves(context: BookingContext, before: datetime, now: datetime) -> None:
    clock = advancing_clock(now)
    for booking in store.find_stale_pending_moves(context.db, before, MAX_PER_RUN):
        make_pending_moves(context, [booking], clock())
    waitlist.finish_leaving(
        context.db, context.inventory, before=before, now=clock(), limit=MAX_PER_RUN
    )


def _finish_claims(context: BookingContext, before: datetime, now: datetime) -> None:
    """Count the offer of each old claim if it is stored, else give its tickets back."""
    for entry in waitlist.find_claims_before(context.db, before, MAX_PER_RUN):
        booking_id = entry["offering"]["bookingId"]
        offer = store.find_booking(context.db, booking_id)
        if offer:
            quantity = offer["offeredQuantity"]
            waitlist.count_offer(context.db, entry["_id"], booking_id, quantity, now)
        elif store.void_id(context.db, booking_id):
            context.inventory.undo(entry["eventId"], str(booking_id))
            waitlist.release_claim(context.db, entry["_id"], booking_id)


def _resolve_in_flight_entries(
    context: BookingContext, event_id: int, entries: Mapping[str, InFlightEntry]
) -> None:
    """Clear the entries of what is recorded; undo what is not and now never can be."""
    take_ids = [ObjectId(key) for key, entry in entries.items() if entry["kind"] == "take"]
    booked = {str(id_) for id_ in store.find_existing_ids(context.db, take_ids)}
    recorded = []
    for key, entry in entries.items():
        kind, _, id_ = key.rpartition("-")
        if key in booked:
            recorded.append(key)
        elif entry["kind"] == "take":
            if store.void_id(context.db, ObjectId(key)):
                context.inventory.undo(event_id, key)
        elif entry["kind"] == "enter":
            if waitlist.entry_exists(context.db, ObjectId(id_)):
                recorded.append(key)
            elif waitlist.insert_tombstone(context.db, ObjectId(id_)):
                context.inventory.undo(event_id, key)
        elif not _is_move_pending(context, kind, ObjectId(id_)):
            recorded.append(key)
    context.inventory.in_flight.clear(event_id, recorded)


def _is_move_pending(context: BookingContext, kind: str, id_: ObjectId) -> bool:
    """Return whether the move of a booking or of an ended waitlist entry is not recorded as made.

    Args:
        kind: the beginning of the move's key: `give`, `confirm` or `leave`.
        id_: the id of the booking; for `leave`, of the waitlist entry.
    """
    if kind == "leave":
        return waitlist.is_pending_leave(context.db, id_)
    booking = store.find_booking(context.db, id_)
    if booking is None or booking.get("restock") != "due":
        return False
    return booking["due"]["key"] == f"{kind}-{id_}"
