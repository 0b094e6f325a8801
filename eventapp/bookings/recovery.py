"""Complete or undo what processes abandoned when they died.

Every change of a booking is several writes, and a process may die between any two of them. What is
left unfinished is found by its age: ABANDONED_AFTER is longer than a request may take, so no
process works any more on what is older. There are five cases:

* A pending stock move of a booking or of an ended waitlist entry is applied.
* A claimed waitlist entry: if the offer is stored, it is subtracted from the entry. Else a
  tombstone is inserted under its id, its tickets are given back, and the claim is released.
* An in-flight entry of a take or a join: if the booking or waitlist entry is stored, and no claim
  on a waitlist entry is left for that booking, the in-flight entry is cleared. If it is not stored,
  a tombstone is inserted under its id, so that a process that was only suspended can no longer
  store it, and then the take or join is undone.
* An in-flight entry of a take for a payment that came late is cleared if the booking says that this
  take confirmed it. If not, the attempt is marked as void in the booking, and the take is
  undone.
* An in-flight entry of a stock move is cleared once the move is recorded as applied.

Every step may be interrupted, repeated, and run by several workers at the same time. What fails is
recorded and tried again later, and delays nothing else (`eventapp.due_work`).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial

from bson import ObjectId

from eventapp.bookings import store, store_due, store_moves
from eventapp.bookings.context import BookingContext
from eventapp.bookings.payments.late_payments import give_up_retake
from eventapp.bookings.transitions import MOVE_KIND, apply_pending_moves
from eventapp.bookings.types import StoredBooking
from eventapp.bookings.waitlist_offers import withdraw_forgotten
from eventapp.core.clock import start_clock, utc_now
from eventapp.due_work.service import DueRun, process_due
from eventapp.events.stock_types import InFlightEntry
from eventapp.inventory.service import parse_document_id, parse_retake_key
from eventapp.waitlist import service as waitlist
from eventapp.waitlist.types import WaitlistEntry

ABANDONED_AFTER = timedelta(seconds=30)
# What one run handles of each case. The next run, seconds later, handles more.
MAX_PER_RUN = 500


def recover(context: BookingContext, now: datetime) -> int:
    """Complete or undo what was abandoned.

    Returns:
        How many events had abandoned in-flight entries.
    """
    before = now - ABANDONED_AFTER
    _apply_moves(context, before, now)
    _apply_leaves(context, before, now)
    _finish_claims(context, before, now)
    return _resolve_old_entries(context, before, now)


def _apply_moves(context: BookingContext, before: datetime, now: datetime) -> None:
    clock = start_clock(now)

    def apply(booking: StoredBooking) -> int:
        apply_pending_moves(context, [booking], clock())
        return 1

    process_due(
        context.db,
        MOVE_KIND,
        now,
        find=partial(store_due.find_moves_before, context.db, before),
        limit=MAX_PER_RUN,
        get_key=lambda booking: booking["_id"],
        handle=apply,
    )


def _apply_leaves(context: BookingContext, before: datetime, now: datetime) -> None:
    clock = start_clock(now)

    def apply(entry: WaitlistEntry) -> int:
        waitlist.apply_leaves(context.db, context.inventory, [entry], clock())
        return 1

    process_due(
        context.db,
        "waitlist leave",
        now,
        find=partial(waitlist.find_pending_leaves_before, context.db, before),
        limit=MAX_PER_RUN,
        get_key=lambda entry: entry["_id"],
        handle=apply,
    )


def _finish_claims(context: BookingContext, before: datetime, now: datetime) -> None:
    process_due(
        context.db,
        "offer claim",
        now,
        find=partial(waitlist.find_claims_before, context.db, before),
        limit=MAX_PER_RUN,
        get_key=lambda entry: entry["_id"],
        handle=lambda entry: _finish_claim(context, entry, now),
    )


def _finish_claim(context: BookingContext, entry: WaitlistEntry, now: datetime) -> int:
    """Subtract the offer of an old claim from its entry if it is stored; else undo its take.

    In both cases the entry loses its claim.
    """
    booking_id = entry["offering"]["bookingId"]
    offer = store.find_booking(context.db, booking_id)
    if offer:
        quantity = offer["offeredQuantity"]
        waitlist.subtract_offer(context.db, entry["_id"], booking_id, quantity, now)
        withdraw_forgotten(context, entry["_id"], offer, now)
    elif store.insert_tombstone(context.db, booking_id):
        context.inventory.undo(entry["eventId"], str(booking_id))
        waitlist.release_claim(context.db, entry["_id"], booking_id)
    return 1


def _resolve_old_entries(context: BookingContext, before: datetime, now: datetime) -> int:
    """Resolve the old in-flight entries of events, each entry on its own if one of them fails.

    Returns:
        How many events had entries to resolve.
    """
    in_flight = context.inventory.in_flight_entries
    entries_run = DueRun(context.db, "in-flight entry", now)
    # An event with an entry that fails is found by every run, in addition to the others.
    limit = MAX_PER_RUN + len(entries_run.waiting)

    def resolve_event(event_id: int) -> int:
        prefix, waiting = f"{event_id}:", set(entries_run.waiting)
        old = in_flight.find_before(event_id, before)
        entries = {key: each for key, each in old.items() if prefix + key not in waiting}
        entries_run.process(
            list(entries),
            get_key=lambda key: prefix + key,
            handle=lambda key: _resolve_entries(context, event_id, {key: entries[key]}),
            handle_together=lambda _keys: _resolve_entries(context, event_id, entries),
        )
        in_flight.refresh_oldest(event_id)
        return bool(entries)

    resolved = process_due(
        context.db,
        "events with in-flight entries",
        now,
        find=partial(in_flight.find_event_ids_before, before),
        limit=limit,
        get_key=lambda event_id: event_id,
        handle=resolve_event,
    )
    if resolved < MAX_PER_RUN:
        entries_run.forget_absent()
    return resolved


def _resolve_entries(
    context: BookingContext, event_id: int, entries: Mapping[str, InFlightEntry]
) -> int:
    """Clear the entries whose outcome is recorded; undo takes and joins that never will be."""
    take_ids = [
        ObjectId(key)
        for key, entry in entries.items()
        if entry["kind"] == "take" and not parse_retake_key(key)
    ]
    booked = {str(id_) for id_ in store.find_existing_ids(context.db, take_ids)}
    recorded = []
    for key, entry in entries.items():
        document_id = ObjectId(parse_document_id(key))
        if key in booked:
            # The entry of an offer says that the take has ended a claimed waitlist entry. It stays
            # until the offer is subtracted from that entry.
            if "leftQueue" not in entry or not waitlist.is_claimed_for(context.db, document_id):
                recorded.append(key)
        elif retake := parse_retake_key(key):
            attempt_id = ObjectId(retake.attempt_id)
            if give_up_retake(context, document_id, attempt_id, retake.take_id, utc_now()):
                recorded.append(key)
            else:
                context.inventory.undo(event_id, key)
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
    return len(entries)


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
