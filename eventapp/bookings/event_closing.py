"""Cancelling and deleting an event with all that hangs on it."""

from datetime import datetime
from typing import Any

from eventapp.bookings import event_endings
from eventapp.bookings.context import BookingContext
from eventapp.core.access.actor import Actor
from eventapp.events import editing
from eventapp.events import service as events
from eventapp.waitlist import service as waitlist


def cancel_event(
    context: BookingContext, event_id: int, actor: Actor, *, now: datetime, image_base_url: str
) -> dict[str, Any]:
    """Take the event off sale for good; cancel and refund its bookings; end the waiting.

    A sale that is under way at this moment may still be recorded: the worker ends that one, and
    what is left where there are more bookings than can be ended while the caller waits.

    Raises:
        EventNotFound, Forbidden, Conflict: nothing is written.
    """
    editing.edit(
        context.db,
        event_id,
        editing.cancelling(now),
        event_changes=context.event_changes,
        actor=actor,
        now=now,
        image_base_url=image_base_url,
    )
    context.inventory.invalidate(event_id)
    patience = event_endings.PATIENCE_SECONDS
    event_endings.end_all(context, event_id, "event_cancelled", now, patience)
    waitlist.close_waitlist(context.db, context.inventory, event_id, now, patience)
    return events.show(context.db, event_id, actor=actor, image_base_url=image_base_url)


def delete_event(context: BookingContext, event_id: int, actor: Actor, now: datetime) -> None:
    """Delete an event that nobody has tickets of, and end the waiting for it.

    Raises:
        EventNotFound, Forbidden, EventHasBookings: nothing is written.
    """
    editing.delete(context.db, event_id, actor, context.event_changes)
    context.inventory.invalidate(event_id)
    waitlist.close_waitlist(context.db, context.inventory, event_id, now)
