"""Complete or undo what processes abandoned when they died.

Every change of a booking is several writes, and a process may die between any two of them. What is
left unfinished is found by its age: ABANDONED_AFTER is longer than a request may take, so no
process works any more on what is older. There are four cases:

* A pending stock move of a booking or of an ended waitlist entry is applied.
* A claimed waitlist entry: if the offer is stored, it is subtracted from the entry. Else a
  tombstone is inserted under its id, its tickets are given back, and the claim is released.
* An in-flight entry of a take or a join: if the booking or waitlist entry is stored, the in-flight
  entry is cleared. Else a tombstone is inserted under its id, so that a process that was only
  suspended can no longer store it, and then the take or join is undone.
* An in-flight entry of a stock move is cleared once the move is recorded as applied.

Every step may be interrupted, repeated, and run by several workers at the same time.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from bson import ObjectId

from eventapp.bookings import store, store_moves
from eventapp.bookings.context import BookingContext
from eventapp.bookings.transitions import apply_pending_moves
from eventapp.core.clock import start_clock
from eventapp.events.types import InFlightEntry
from eventapp.inventory.service import parse_document_id
from eventapp.waitlist import service as waitlist

ABANDONED_AFTER = timedelta(seconds=30)
# What one run handles of each case. The next run, seconds later, handles more.
MAX_PER_RUN = 500


def recover(context: BookingContext, now: datetime) -> int:
    """Complete or undo what was abandoned.

    Returns:
        How many events were searched for abandoned in-flight entries, whether they had one or not.
    """
    before = now - ABANDONED_AFTER
    _apply_pending_moves(context, before, now)
    _finish_claims(context, before, now)
    event_ids = context.inventory.in_flight_entries.find_event_ids_before(before, MAX_PER_RUN)
    for event_id in event_ids:
        entries = context.inventory.in_flight_entries.find_before(event_id, before)
        _resolve_in_flight_entries(context, event_id, entries)
        context.inventory.in_flight_entries.refresh_oldest(event_id)
    return len(event_ids)


def _apply_pending_moves(context: BookingContext, before: datetime, now: datetime) -> None:
    clock = start_clock(now)
    for booking in store_moves.find_bookings_with_moves_before(context.db, before, MAX_PER_RUN):
        apply_pending_moves(context, [booking], clock())
    waitlist.apply_old_leaves(
        context.db, context.inventory, before=before, now=clock(), limit=MAX_PER_RUN
    )


def _finish_claims(context: BookingContext, before: datetime, now: datetime) -> None:
    """Subtract the offer of each old claim from its entry if it is stored; else undo its take.

    In both cases the entry loses its claim.
    """
    for entry in waitlist.find_claims_before(context.db, before, MAX_PER_RUN):
        booking_id = entry["offering"]["bookingId"]
        offer = store.find_booking(context.db, booking_id)
        if offer:
            quantity = offer["offeredQuantity"]
            waitlist.subtract_offer(context.db, entry["_id"], booking_id, quantity, now)
        elif store.insert_tombstone(context.db, booking_id):
            context.inventory.undo(entry["eventId"], str(booking_id))
            waitlist.release_claim(context.db, entry["_id"], booking_id)


def _resolve_in_flight_entries(
    context: BookingContext, event_id: int, entries: Mapping[str, InFlightEntry]
) -> None:
    """Clear the entries whose outcome is recorded; undo takes and joins that never will be."""
    take_ids = [ObjectId(key) for key, entry in entries.items() if entry["kind"] == "take"]
    booked = {str(id_) for id_ in store.find_existing_ids(context.db, take_ids)}
    recorded = []
    for key, entry in entries.items():
        document_id = ObjectId(parse_document_id(key))
        if key in booked:
            recorded.append(key)
        elif entry["kind"] == "take":
            if store.insert_tombstone(context.db, document_id):
                context.inventory.undo(event_id, key)
        elif entry["kind"] == "enter":
            if waitlist.entry_exists(context.db, document_id):
                recorded.append(key)
            elif waitlist.insert_tombstone(context.db, document_id):
                context.inventory.undo(event_id, key)
        elif not _is_move_pending(context, key, entry, document_id):
            recorded.append(key)
    context.inventory.in_flight_entries.clear(event_id, recorded)


def _is_move_pending(
    context: BookingContext, key: str, entry: InFlightEntry, document_id: ObjectId
) -> bool:
    """Return whether the move of an in-flight entry is not yet recorded as applied.

    Args:
        document_id: the id of the booking or, if the entry's kind is `leave`, of the waitlist
            entry.
    """
    if entry["kind"] == "leave":
        return waitlist.is_leave_pending(context.db, document_id)
    return key in store_moves.find_pending_move_keys(context.db, [document_id])
