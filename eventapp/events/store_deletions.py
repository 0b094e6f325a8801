"""Delete events, and record each deletion for other processes and for the worker.

A deletion is recorded in `goneEvents` before it is made, so that no process can die between the two
and leave the event in the caches of others. It is recorded again afterwards, because another
process may have received the first record and then read the event that still existed.

A record has `unfinished: true` until the worker has checked that the event is gone and nothing of
it is left. If the event still exists then, because a process died before it deleted the event or
was refused, the worker revokes the record.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import cast

from pymongo import ASCENDING, IndexModel

from eventapp.core.database import Db, Query, delete_document, exclude_ids
from eventapp.events.store import CHANGES_INDEX
from eventapp.events.types import EventKey, EventRevision

# How long the record of a deletion is kept. Clients that follow `GET /events/changes` may have
# missed it for a day less.
KEPT_SECONDS = 31 * 86400
INDEXES = {
    "goneEvents": [
        IndexModel("changedAt", name="changedAt", expireAfterSeconds=KEPT_SECONDS),
        IndexModel([("changedAt", ASCENDING), ("eventId", ASCENDING)], name=CHANGES_INDEX),
        IndexModel(
            [("unfinished", ASCENDING), ("changedAt", ASCENDING)],
            name="unfinished",
            partialFilterExpression={"unfinished": True},
        ),
    ],
}


def record_deletion(db: Db, event_id: int, revision: int, *, was_public: bool) -> None:
    """Record that an event is being deleted, or was.

    Args:
        was_public: whether the event is public, or ever was. Only then may everyone learn that it
            is gone.
        revision: as if the deletion were a write of the event. It must differ from those of all
            records before, because a process ignores a revision that it has received.
    """
    fields = {"eventId": event_id, "rev": revision, "gone": True, "unfinished": True}
    if was_public:
        fields["wasPublic"] = True
    _write_record(db, {"_id": event_id}, {"$set": fields}, upsert=True)


def delete_if_unchanged(db: Db, event: EventRevision, *, now: datetime) -> bool:
    """Delete an event if it is open and still has the revision that was read.

    The caller records the deletion before, and again after.

    Returns:
        Whether it was deleted.
    """
    is_open = {"closedUntil": {"$not": {"$gt": now}}}
    unchanged = {"eventId": event["eventId"], "rev": event["rev"], **is_open}
    return delete_document(db.events, unchanged)


def find_unfinished(
    db: Db, before: datetime, limit: int, without: Sequence[object] = ()
) -> list[int]:
    """Return the eventIds of unfinished deletions that were recorded before this time.

    Args:
        without: eventIds to leave out.

    Returns:
        The oldest first.
    """
    where = {"unfinished": True, "changedAt": {"$lt": before}, **exclude_ids(without, "eventId")}
    found = db.goneEvents.find(where, {"eventId": 1}, hint="unfinished")
    found = found.sort("changedAt", ASCENDING).limit(limit)
    return [record["eventId"] for record in cast(Iterable[EventKey], found)]


def finish_deletion(db: Db, event_id: int) -> None:
    """Record that nothing of a deleted event is left."""
    update = {"$unset": {"unfinished": ""}, "$inc": {"rev": 1}}
    _write_record(db, {"_id": event_id}, update, upsert=False)


def revoke_deletion(db: Db, event_id: int) -> bool:
    """Remove the record of a deletion if the event exists; return False if it does not.

    The revision is raised first, so that a process which was suspended before it could delete the
    event deletes nothing afterwards.
    """
    if db.events.update_one({"eventId": event_id}, {"$inc": {"rev": 1}}).matched_count == 0:
        return False
    delete_document(db.goneEvents, {"_id": event_id})
    return True


def _write_record(db: Db, where: Query, update: Query, *, upsert: bool) -> None:
    # The time is the database's: see `events.store.SET_CHANGED_AT`.
    changed = {**update, "$currentDate": {"changedAt": True}}
    db.goneEvents.update_one(where, changed, upsert=upsert)
