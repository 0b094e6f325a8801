"""Transfer all events of an organizer, with their bookings, to another one."""

from datetime import datetime

from bson import ObjectId

from eventapp.bookings import store
from eventapp.bookings.context import BookingContext
from eventapp.core.failpoints import failpoint
from eventapp.events import ownership


def transfer_all_events(
    context: BookingContext, old_id: ObjectId, new_id: ObjectId, now: datetime
) -> None:
    """Make `new_id` the organizer of all events of `old_id`, ended ones and drafts too.

    A booking contains the organizer of its event, by which figures are summed up. Who may see a
    booking is decided by the event, so a booking that is being made at this moment may keep the old
    organizer. It may be interrupted and repeated: the bookings of an event change first, so that a
    repeated call finds the event again.
    """
    for event_ids in ownership.iterate_events(context.db, old_id):
        store.set_organizer(context.db, event_ids, old_id=old_id, new_id=new_id, now=now)
        failpoint("bookings-transferred")
        ownership.transfer_events(
            context.db,
            event_ids,
            old_id=old_id,
            new_id=new_id,
            event_changes=context.event_changes,
            now=now,
        )
        for event_id in event_ids:
            context.inventory.invalidate(event_id)
        # These bookings were made since the first write.
        store.set_organizer(context.db, event_ids, old_id=old_id, new_id=new_id, now=now)
