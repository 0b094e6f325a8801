"""Delete events, and what other features have stored about them.

`store_deletions` says how a deletion is recorded, so that other processes drop the event from their
caches, and the worker finishes what a process that died has left. The waitlist of an event is
closed by `eventapp.bookings.event_closing`.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from eventapp.core.access.actor import Actor
from eventapp.core.database import Db
from eventapp.core.failpoints import failpoint
from eventapp.events import rules, store, store_deletions, store_log
from eventapp.events.changes import EventChanges
from eventapp.events.closures import ClosureWait
from eventapp.events.editing import EDIT_ATTEMPTS, refuse_bookings
from eventapp.events.errors import EditConflict
from eventapp.events.service import get_managed
from eventapp.favorites import service as favorites
from eventapp.media import service as media

# Owners whose favorites are read together.
OWNERS_PER_BATCH = 200


def delete_event(
    db: Db, event_id: int, actor: Actor, event_changes: EventChanges, now: datetime
) -> None:
    """Delete an event that has no sold or held tickets, with its photos, favorites and log.

    Raises:
        EventNotFound, Forbidden, EventHasBookings, EditConflict, EventClosed: nothing is deleted.
    """
    wait = ClosureWait(now)
    for _attempt in range(EDIT_ATTEMPTS):
        event = get_managed(db, event_id, actor)
        wait.pause_if_closed(event)
        refuse_bookings(event)
        was_public = rules.was_ever_public(event)
        store_deletions.record_deletion(db, event_id, event["rev"] + 1, was_public=was_public)
        failpoint("deletion-recorded")
        if store_deletions.delete_if_unchanged(db, event, now=wait.clock()):
            event_changes.event_changed(event_id)
            failpoint("deletion")
            store_deletions.record_deletion(db, event_id, event["rev"] + 2, was_public=was_public)
            failpoint("deletion-recorded-again")
            delete_leftovers(db, event_id)
            return
    raise EditConflict


def delete_leftovers(db: Db, event_id: int) -> None:
    """Delete the photos and the log of a deleted event, and remove it from all favorites."""
    favorites.forget_event(db, event_id)
    store_log.delete_of_event(db, event_id)
    media.delete_photos(db, media.make_event_owner(event_id))


# For the worker.


def find_unfinished_deletions(
    db: Db, before: datetime, limit: int, without: Sequence[object] = ()
) -> list[int]:
    """Return the eventIds of deletions that began before this time and are not finished.

    Args:
        without: eventIds to leave out.
    """
    return store_deletions.find_unfinished(db, before, limit, without)


def revoke_deletion(db: Db, event_id: int) -> bool:
    """Keep an event whose deletion did not come about; return False if it is deleted."""
    return store_deletions.revoke_deletion(db, event_id)


def finish_deletion(db: Db, event_id: int) -> None:
    """Delete what is left of a deleted event, and record that the deletion is finished.

    Other processes then drop the event from their caches once more.
    """
    delete_leftovers(db, event_id)
    store_deletions.finish_deletion(db, event_id)


def find_missing(db: Db, event_ids: Iterable[int]) -> set[int]:
    """Return those of these eventIds that no event has."""
    ids = set(event_ids)
    return ids - store.find_revisions(db, ids).keys()


def forget_orphaned_favorites(db: Db) -> int:
    """Remove favorites of events that do not exist; return of how many events."""
    removed, last_owner = 0, ""
    while batch := favorites.find_owners_after(db, last_owner, OWNERS_PER_BATCH):
        last_owner = max(batch)
        for event_id in find_missing(db, {id_ for ids in batch.values() for id_ in ids}):
            favorites.forget_event(db, event_id)
            removed += 1
    return removed
