"""Find the events of an organizer, and transfer them to another one."""

from collections.abc import Collection, Iterator
from datetime import datetime

from bson import ObjectId

from eventapp.core.database import Db
from eventapp.events import store_ownership as store
from eventapp.events.changes import EventChanges

EVENTS_PER_WRITE = 200


def has_open_events(db: Db, user_id: ObjectId, now: datetime) -> bool:
    """Return whether a user is the organizer of a draft, or of a published event that is not over.

    An event is over when the last entry of its schedule is.
    """
    return store.has_open_event(db, user_id, now)


def find_organizer_ids(db: Db, event_ids: Collection[int]) -> dict[int, ObjectId | None]:
    """Return the organizer of each of these events that exist."""
    return store.find_organizer_ids(db, event_ids)


def iterate_events(db: Db, user_id: ObjectId) -> Iterator[list[int]]:
    """Yield the events of an organizer, in lists of up to EVENTS_PER_WRITE.

    The caller transfers or deletes the events of a list before it takes the next one.
    """
    while event_ids := store.find_ids_of_organizer(db, user_id, EVENTS_PER_WRITE):
        yield event_ids


def transfer_events(
    db: Db,
    event_ids: list[int],
    *,
    old_id: ObjectId,
    new_id: ObjectId,
    event_changes: EventChanges,
    now: datetime,
) -> None:
    """Make a user the organizer of those of these events that `old_id` is the organizer of.

    It may be interrupted and repeated. Edits and sales at the same time are not overwritten.
    """
    store.set_organizer(db, event_ids, old_id=old_id, new_id=new_id, now=now)
    for event_id in event_ids:
        event_changes.event_changed(event_id)
