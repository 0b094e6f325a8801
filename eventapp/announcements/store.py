"""Queries on the `announcements` collection.

Each announcement of an event has one of the slots of the day on which it is sent. A unique index
over event, day and slot thus limits how many there are, however many requests run at once.

An announcement has a `dueAt` until it is finished. A worker claims a due one in one guarded write,
which moves `dueAt` forward. So no other worker sends it at the same time, but another one goes on
later if the first worker dies. Every further write is guarded by the claim.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument
from pymongo.collection import Collection

from eventapp.announcements.types import (
    DueAnnouncement,
    NotedAnnouncement,
    Position,
    Status,
    StoredAnnouncement,
)
from eventapp.core.database import Db, Query, delete_document, exclude_ids, try_insert_unordered
from eventapp.events.log_types import LogEntry

INDEXES = {
    "announcements": [
        IndexModel(
            [("eventId", ASCENDING), ("day", ASCENDING), ("slot", ASCENDING)],
            name="slots",
            unique=True,
        ),
        IndexModel([("eventId", ASCENDING), ("_id", DESCENDING)], name="event_newest"),
        IndexModel([("dueAt", ASCENDING)], name="due", sparse=True),
        IndexModel(
            [("logDue", ASCENDING)], name="log_due", partialFilterExpression={"logDue": True}
        ),
        IndexModel(
            [("request.key", ASCENDING)],
            name="request",
            unique=True,
            partialFilterExpression={"request.key": {"$exists": True}},
        ),
    ]
}

# The filter for announcements that are not marked as deleted.
_PRESENT: Query = {"deleted": {"$exists": False}}


def _announcements(db: Db) -> Collection[StoredAnnouncement]:
    return cast(Collection[StoredAnnouncement], db.announcements)


def insert(db: Db, announcement: StoredAnnouncement) -> bool | None:
    """Store a new announcement. It may be called again with the same one.

    Returns:
        False, with nothing written, if its slot is taken, or its request has stored another one.
        None if it is unknown whether it is stored, or if others were storing at the same moment.
    """
    (is_stored,) = try_insert_unordered(_announcements(db), [announcement])
    return is_stored


def find_taken_slots(db: Db, announcement: StoredAnnouncement) -> set[int]:
    """Return the slots that other announcements have, of the same event and day."""
    where: Query = {
        "eventId": announcement["eventId"],
        "day": announcement["day"],
        "_id": {"$ne": announcement["_id"]},
    }
    return {each["slot"] for each in _announcements(db).find(where, {"slot": 1})}


def find_by_request(db: Db, key: str) -> StoredAnnouncement | None:
    """Return the announcement that a request with this digest of its key has stored."""
    return _announcements(db).find_one({"request.key": key})


def count(db: Db, event_id: int, *, up_to: int) -> int:
    """Return how many announcements an event has, counted up to `up_to`."""
    return _announcements(db).count_documents({"eventId": event_id, **_PRESENT}, limit=up_to)


def find_page(
    db: Db, event_id: int, *, before: ObjectId | None, skip: int, limit: int
) -> list[StoredAnnouncement]:
    """Return announcements of an event, newest first.

    Args:
        before: return only those with a lower id; None for all.
    """
    where: Query = {"eventId": event_id, **_PRESENT}
    if before is not None:
        where["_id"] = {"$lt": before}
    return list(_announcements(db).find(where).sort("_id", DESCENDING).skip(skip).limit(limit))


def find(db: Db, event_id: int, announcement_id: ObjectId) -> StoredAnnouncement | None:
    """Return an announcement of an event; None if there is none."""
    return _announcements(db).find_one({"_id": announcement_id, "eventId": event_id, **_PRESENT})


def mark_deleted(db: Db, announcement_id: ObjectId, entry: LogEntry) -> bool:
    """Mark an announcement that no worker has claimed yet as deleted.

    Args:
        entry: the entry of the event's log. `clear_entries` removes the announcement once it is
            moved.

    Returns:
        False, with nothing written, if it is claimed, finished or deleted.
    """
    update: Query = {
        "$set": {"deleted": True, "logDue": True},
        "$push": {"logEntries": entry},
        "$unset": {"dueAt": ""},
    }
    where = {"_id": announcement_id, "status": "scheduled", **_PRESENT}
    return _announcements(db).update_one(where, update).modified_count == 1


# Entries of the event's log.


def find_log_due(db: Db, limit: int, without: Sequence[object] = ()) -> list[ObjectId]:
    """Return the ids of announcements with entries to move, without these."""
    found = _announcements(db).find({"logDue": True, **exclude_ids(without)}, {"_id": 1})
    return [each["_id"] for each in found.limit(limit)]


def find_noted(db: Db, announcement_id: ObjectId) -> NotedAnnouncement | None:
    """Return the entries of an announcement that are to be moved; None if there are none."""
    where = {"_id": announcement_id, "logDue": True}
    found = db.announcements.find_one(where, {"eventId": 1, "logEntries": 1})
    return cast(NotedAnnouncement | None, found)


def find_noted_by(db: Db, user_id: ObjectId) -> list[ObjectId]:
    """Return the ids of announcements with entries of a user to move."""
    where = {"logDue": True, "logEntries.userId": user_id}
    return [each["_id"] for each in _announcements(db).find(where, {"_id": 1})]


def clear_entries(db: Db, noted: NotedAnnouncement) -> None:
    """Remove the entries that were moved, and the announcement if it is deleted.

    Nothing is removed if it has got another entry since it was read.
    """
    unchanged = {
        "_id": noted["_id"],
        f"logEntries.{len(noted['logEntries'])}": {"$exists": False},
    }
    if not delete_document(db.announcements, {**unchanged, "deleted": True}):
        cleared = {"$unset": {"logEntries": "", "logDue": ""}}
        db.announcements.update_one({**unchanged, **_PRESENT}, cleared)


# For the worker.


def find_due(
    db: Db, now: datetime, limit: int, without: Sequence[object] = ()
) -> list[DueAnnouncement]:
    """Return announcements that may be claimed, the longest due first.

    Args:
        without: ids to leave out.
    """
    where = {"dueAt": {"$lte": now}, **exclude_ids(without)}
    found = cast(Collection[DueAnnouncement], db.announcements).find(where, {"dueAt": 1})
    return list(found.sort("dueAt", ASCENDING).limit(limit))


def claim(
    db: Db, due: DueAnnouncement, claim_id: ObjectId, until: datetime
) -> StoredAnnouncement | None:
    """Claim an announcement until this time.

    Returns:
        The announcement. None, with nothing written, if it was deleted or claimed since it was
        read.
    """
    claimed: StoredAnnouncement | None = _announcements(db).find_one_and_update(
        {"_id": due["_id"], "dueAt": due["dueAt"]},
        {"$set": {"status": "sending", "claim": claim_id, "dueAt": until}},
        return_document=ReturnDocument.AFTER,
    )
    return claimed


def advance(
    db: Db, claimed: StoredAnnouncement, position: Position, until: datetime
) -> StoredAnnouncement | None:
    """Record how far a claimed announcement is sent, and prolong the claim.

    Returns:
        The announcement. None, with nothing written, if another worker has claimed it.
    """
    advanced: StoredAnnouncement | None = _announcements(db).find_one_and_update(
        _build_claim_filter(claimed),
        {"$set": {"position": position, "dueAt": until}},
        return_document=ReturnDocument.AFTER,
    )
    return advanced


def release(db: Db, claimed: StoredAnnouncement, now: datetime) -> None:
    """Leave the rest of a claimed announcement to the next run of any worker."""
    update = {"$set": {"dueAt": now}, "$unset": {"claim": ""}}
    _announcements(db).update_one(_build_claim_filter(claimed), update)


def finish(
    db: Db,
    claimed: StoredAnnouncement,
    status: Status,
    *,
    notified: int,
    mailed: int,
    now: datetime,
) -> None:
    """Record that a claimed announcement is finished.

    Args:
        status: `sent` or `withdrawn`.
    """
    fields: Query = {"status": status, "notified": notified, "mailed": mailed}
    if status == "sent":
        fields["sentAt"] = now
    removed = {"dueAt": "", "claim": "", "position": ""}
    _announcements(db).update_one(_build_claim_filter(claimed), {"$set": fields, "$unset": removed})


def _build_claim_filter(claimed: StoredAnnouncement) -> Query:
    return {"_id": claimed["_id"], "claim": claimed["claim"]}


def find_event_ids(db: Db, after: int, limit: int) -> list[int]:
    """Return eventIds above `after` of the next `limit` announcements, in order, each once."""
    found = _announcements(db).find({"eventId": {"$gt": after}}, {"eventId": 1})
    rows = found.sort("eventId", ASCENDING).limit(limit)
    return list(dict.fromkeys(row["eventId"] for row in rows))


def delete_all(db: Db, event_id: int) -> None:
    """Delete all announcements of an event."""
    _announcements(db).delete_many({"eventId": event_id})
