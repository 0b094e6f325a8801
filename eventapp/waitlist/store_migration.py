"""Find the waitlist entries of an older schema version, and write what the new one adds."""

from collections.abc import Mapping, Sequence
from typing import cast

from bson import ObjectId
from pymongo import ASCENDING, UpdateOne

from eventapp.core.database import Db, Query
from eventapp.waitlist.types import UnmigratedEntry

_FIELDS = {"eventId": 1, "userId": 1, "ticketTypeId": 1}
_UNMIGRATED: Query = {"active": True, "scheduleId": {"$exists": False}}


def find_unmigrated(
    db: Db, after: ObjectId | None, limit: int, without: Sequence[object] = ()
) -> list[UnmigratedEntry]:
    """Return the next active entries after this id without a scheduleId, in order of ids.

    Args:
        after: None to begin with the first entry.
        without: the ids of entries to leave out.
    """
    ids: Query = {"$nin": list(without)}
    if after is not None:
        ids["$gt"] = after
    found = db.waitlist.find({**_UNMIGRATED, "_id": ids}, _FIELDS)
    return cast(list[UnmigratedEntry], list(found.sort("_id", ASCENDING).limit(limit)))


def write_if_unmigrated(db: Db, schedule_ids: Mapping[ObjectId, int]) -> int:
    """Set the scheduleIds of entries, by entry id, that are active and have none; return how many.

    An entry that has ended since it was read is left as it is.
    """
    writes = [
        UpdateOne({"_id": entry_id, **_UNMIGRATED}, {"$set": {"scheduleId": schedule_id}})
        for entry_id, schedule_id in schedule_ids.items()
    ]
    return db.waitlist.bulk_write(writes, ordered=False).modified_count if writes else 0


def find_unshown(db: Db, after: ObjectId | None, limit: int) -> list[UnmigratedEntry]:
    """Return the next active entries after this id whose user is not shown, in order of ids.

    Args:
        after: None to begin with the first entry.
    """
    where: Query = {
        "active": True,
        "holderIsShown": {"$exists": False},
        "forgotten": {"$exists": False},
    }
    if after is not None:
        where["_id"] = {"$gt": after}
    found = db.waitlist.find(where, _FIELDS).sort("_id", ASCENDING).limit(limit)
    return cast(list[UnmigratedEntry], list(found))


def show_user(db: Db, user_id: ObjectId) -> None:
    """Let those who manage the events see who waits with the entries of a user."""
    db.waitlist.update_many({"userId": user_id}, {"$set": {"holderIsShown": True}})
