"""Cancel, delete or complete events, and end their bookings and waitlists."""

import math
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

from eventapp.bookings import rules, store, store_moves
from eventapp.bookings.booked_entries import follow_events
from eventapp.bookings.context import BookingContext
from eventapp.bookings.ledger.entries import build_end_entries
from eventapp.bookings.recovery import ABANDONED_AFTER
from eventapp.bookings.transitions import apply_pending_moves, build_end_fields
from eventapp.bookings.types import ChangeReason, StoredBooking
from eventapp.core.access.actor import Actor
from eventapp.core.clock import start_clock
from eventapp.core.database import exclude_ids
from eventapp.core.failpoints import failpoint
from eventapp.due_work.service import DueRun, PartsFailed, process_due
from eventapp.events import deletions, editing, timekeeping
from eventapp.events import service as events
from eventapp.events.bodies import EventView
from eventapp.waitlist import auditing as waitlist_audits
from eventapp.waitlist import service as waitlist

# Bookings that are read together, and ended in one write.
BATCH_SIZE = 200
# How long a request may take to end bookings, and again to end waitlist entries. The worker ends
# the rest.
REQUEST_SECONDS = 2.0
# How long one run of the worker ends bookings of one event, before it turns to the next event.
WORKER_SECONDS = 20.0
# Past events whose waitlists one run of the worker closes.
MAX_EVENTS_PER_RUN = 500

# The kind of work under which a booking is recorded that could not be ended with its event.
FAILED_ENDS = "booking of a cancelled event"


def cancel_event(
    context: BookingContext, event_id: int, actor: Actor, *, now: datetime, image_base_url: str
) -> EventView:
    """Take an event off sale for good, cancel and refund its bookings, and close its waitlist.

    A sale that is in flight may still be recorded afterwards. The worker ends its booking, and the
    bookings that could not be ended within REQUEST_SECONDS (`close_cancelled_events`).

    Returns:
        The event as the API shows it.

    Raises:
        EventNotFound, Forbidden, Conflict: nothing is written.
        EventBusy: the event is cancelled. The worker ends the remaining bookings.
    """
    editing.edit_event(
        context.db,
        event_id,
        editing.make_cancellation(now),
        event_changes=context.event_changes,
        actor=actor,
        now=now,
        image_base_url=image_base_url,
        default_zone=context.default_zone,
    )
    context.inventory.invalidate(event_id)
    end_all_bookings(context, event_id, "event_cancelled", now, max_seconds=REQUEST_SECONDS)
    waitlist.close_waitlist(context.db, context.inventory, event_id, now, REQUEST_SECONDS)
    return events.show_event(
        context.db, event_id, actor=actor, now=now, image_base_url=image_base_url
    )


def delete_event(context: BookingContext, event_id: int, actor: Actor, now: datetime) -> None:
    """Delete an event that has no active bookings, and close its waitlist.

    The worker closes what is left if the process dies or the waitlist is long, and entries that are
    stored later (`close_deleted_events`).

    Raises:
        EventNotFound, Forbidden, EventHasBookings, EditConflict, EventClosed: nothing is written.
    """
    deletions.delete_event(context.db, event_id, actor, context.event_changes, now)
    context.inventory.invalidate(event_id)
    waitlist.close_waitlist(context.db, context.inventory, event_id, now, REQUEST_SECONDS)


def end_all_bookings(
    context: BookingContext,
    event_id: int,
    reason: ChangeReason,
    now: datetime,
    max_seconds: float = math.inf,
) -> int:
    """Cancel and refund the active bookings of an event; return how many were ended.

    A booking that cannot be ended is recorded as failed work, and delays no other.

    Args:
        reason: recorded with each refund.
        max_seconds: stop after this time, even if active bookings remain.
    """
    total, clock, deadline = 0, start_clock(now), time.monotonic() + max_seconds
    run = DueRun(context.db, FAILED_ENDS, now)
    while ended := _end_each_booking(context, event_id, reason, clock, deadline, run):
        total += ended
        if time.monotonic() > deadline:
            break
    return total


def _end_each_booking(
    context: BookingContext,
    event_id: int,
    reason: ChangeReason,
    clock: Callable[[], datetime],
    deadline: float,
    run: DueRun,
) -> int:
    """Try once to end each active booking, in batches; return how many were ended.

    A booking that another request is changing may stay active.

    Args:
        clock: returns the time to record.
        deadline: time of the monotonic clock after which no batch and no single booking begins.
        run: knows the bookings that have failed, which are left out.
    """
    total = 0
    active = {"eventId": event_id, "active": True, **exclude_ids(run.waiting)}
    for batch in store.iterate_batches(context.db, active, BATCH_SIZE):
        total += run.process(
            batch,
            get_key=lambda booking: booking["_id"],
            handle=lambda booking: _end_bookings(context, [booking], reason, clock()),
            handle_together=lambda bookings: _end_bookings(context, bookings, reason, clock()),
            is_stopped=lambda: time.monotonic() > deadline,
        )
        if time.monotonic() > deadline:
            break
    return total


def _end_bookings(
    context: BookingContext, bookings: Sequence[StoredBooking], reason: ChangeReason, now: datetime
) -> int:
    """End active bookings of one event in one write; return how many were ended."""
    apply_pending_moves(context, list(filter(rules.get_pending_move, bookings)), now)
    changes = [
        (
            booking,
            build_end_fields(shown, rules.CANCELLED, reason, now),
            build_end_entries(booking, reason, now),
        )
        for booking, shown in zip(bookings, follow_events(context.db, bookings), strict=True)
    ]
    ended = store.update_bookings(context.db, changes)
    if ended:
        failpoint("end")
    ids = [booking["_id"] for booking in bookings]
    moved = store_moves.find_bookings_with_pending_moves(context.db, ids)
    apply_pending_moves(context, moved, now)
    return ended


def close_past_events(context: BookingContext, now: datetime) -> int:
    """Complete past events, and close the waitlists of completed and cancelled ones.

    Of other events, it closes the waiting places for schedule entries that are over.

    Returns:
        How many events were completed.
    """
    completed = timekeeping.complete_past_events(context.db, now)

    def close_waitlist(event_id: int) -> int:
        waitlist.close_waitlist(context.db, context.inventory, event_id, now)
        return 1

    process_due(
        context.db,
        "waitlist closing",
        now,
        find=context.inventory.find_ended_event_ids_with_waitlist,
        limit=MAX_EVENTS_PER_RUN,
        get_key=lambda event_id: event_id,
        handle=close_waitlist,
    )
    _close_places_over(context, now)
    return completed


def _close_places_over(context: BookingContext, now: datetime) -> None:
    """Close the waiting places for schedule entries that are over, of events that are not."""
    inventory = context.inventory

    def close(event_id: int) -> int:
        over = inventory.find_awaited_over(event_id, now)
        waitlist.close_waitlist(context.db, inventory, event_id, now, schedule_ids=over)
        return 1

    process_due(
        context.db,
        "closing of waiting places",
        now,
        find=partial(inventory.find_event_ids_with_awaited_over, now),
        limit=MAX_EVENTS_PER_RUN,
        get_key=lambda event_id: event_id,
        handle=close,
    )


def close_cancelled_events(context: BookingContext, now: datetime) -> int:
    """End the bookings and waitlists of cancelled events; return how many events were handled.

    An event is closed once it has had no in-flight entry and, after that, neither an active booking
    nor a waitlist entry. The in-flight entries are read first: a sale whose booking is stored after
    that read still has its entry.
    """

    def close(event_id: int) -> int:
        event = context.inventory.in_flight_entries.find_event(event_id)
        ended = end_all_bookings(context, event_id, "event_cancelled", now, WORKER_SECONDS)
        has_no_waitlist = waitlist.close_waitlist(context.db, context.inventory, event_id, now)
        active = {"eventId": event_id, "active": True}
        has_bookings = store.count_bookings(context.db, active, up_to=1) > 0
        if has_bookings and not ended:
            # The event waits, so that it does not stand before others at every run.
            raise PartsFailed("bookings that fail or are being changed")
        if event and not event["inFlight"] and not has_bookings and has_no_waitlist:
            events.clear_closing(context.db, event_id)
        return 1

    closed = process_due(
        context.db,
        "event closing",
        now,
        find=partial(events.find_closing, context.db),
        limit=MAX_EVENTS_PER_RUN,
        get_key=lambda event_id: event_id,
        handle=close,
    )
    # A booking that could not be ended here may have been ended by its holder.
    run = DueRun(context.db, FAILED_ENDS, now)
    run.forget_resolved(partial(store.find_active_ids, context.db))
    return closed


def close_deleted_events(context: BookingContext, now: datetime) -> int:
    """Close the waitlists of deleted events and delete what is left of them; return how many.

    A deletion is finished once it is older than ABANDONED_AFTER: by then, no request can store an
    entry of its waitlist any more. If a process died before it deleted the event, the event stays.
    """

    def close(event_id: int) -> int:
        if deletions.revoke_deletion(context.db, event_id):
            return 1
        waitlist.close_waitlist(context.db, context.inventory, event_id, now)
        deletions.finish_deletion(context.db, event_id)
        return 1

    return process_due(
        context.db,
        "event deletion",
        now,
        find=partial(deletions.find_unfinished_deletions, context.db, now - ABANDONED_AFTER),
        limit=MAX_EVENTS_PER_RUN,
        get_key=lambda event_id: event_id,
        handle=close,
    )


def close_orphans(context: BookingContext, now: datetime) -> int:
    """Close waitlists and remove favorites of events that do not exist; return how many events.

    An eventId is never used again. `close_deleted_events` handles the deletions that were recorded,
    so this finds what is left of others: events that were removed or not restored by hand, and
    entries that were claimed for an offer while their event was deleted.
    """
    return _close_orphaned_waitlists(context, now) + deletions.forget_orphaned_favorites(context.db)


def _close_orphaned_waitlists(context: BookingContext, now: datetime) -> int:
    closed, last_id, run = 0, 0, DueRun(context.db, "orphaned waitlist", now)

    def close(event_id: int) -> int:
        waitlist.close_waitlist(context.db, context.inventory, event_id, now)
        return 1

    while event_ids := waitlist_audits.find_event_ids(context.db, last_id, MAX_EVENTS_PER_RUN):
        last_id = event_ids[-1]
        due = sorted(deletions.find_missing(context.db, event_ids).difference(run.waiting))
        closed += run.process(due, get_key=lambda event_id: event_id, handle=close)
    run.forget_absent()
    return closed
