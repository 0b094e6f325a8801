"""The favorites collection: one document for each owner, see `types.StoredFavorites`."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import cast

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from eventapp.core.database import Db, Query, delete_document
from eventapp.favorites.types import FavoriteEntry, FavoritesChange, StoredFavorites

INDEXES = {
    "favorites": [
        IndexModel([("events.eventId", ASCENDING)], name="by_event"),
        IndexModel("changedAt", name="changedAt"),
    ]
}
# Part of every write that processes with cached favorites must learn of, by `find_changes_since`.
# Only the deletion of an owner is none: nobody asks for the favorites of a deleted user again.
_SET_CHANGED_AT: Query = {"$currentDate": {"changedAt": True}}


def _favorites(db: Db) -> Collection[StoredFavorites]:
    return cast(Collection[StoredFavorites], db.favorites)


def add(db: Db, owner: str, event_id: int, *, limit: int, now: datetime) -> bool:
    """Add a favorite in one guarded write.

    Returns:
        False, with nothing written, if the event is a favorite already or the owner has `limit`
        favorites.
    """
    guard: Query = {
        "_id": owner,
        "events.eventId": {"$ne": event_id},
        "count": {"$not": {"$gte": limit}},  # also true for a new owner, who has no count
    }
    entry: FavoriteEntry = {"eventId": event_id, "at": now}
    update: Query = {"$push": {"events": entry}, "$inc": {"count": 1}, **_SET_CHANGED_AT}
    # The upsert fails on `_id` in two cases. Either the owner exists and the guard did not match,
    # or another request inserted the owner's first favorite at the same moment. In the second case
    # the second attempt succeeds.
    for _attempt in range(2):
        try:
            _favorites(db).update_one(guard, update, upsert=True)
        except DuplicateKeyError:
            continue
        return True
    return False


def remove(db: Db, owner: str, event_id: int) -> bool:
    """Remove a favorite. Return False if the event is no favorite of the owner."""
    result = _favorites(db).update_one(
        {"_id": owner, "events.eventId": event_id},
        {"$pull": {"events": {"eventId": event_id}}, "$inc": {"count": -1}, **_SET_CHANGED_AT},
    )
    return result.modified_count == 1


def add_all(db: Db, owner: str, entries: Sequence[FavoriteEntry], *, limit: int) -> bool:
    """Add favorites of an owner who has had some before, in one guarded write.

    Args:
        entries: of different events.

    Returns:
        False, with nothing written, if one of the events is a favorite already, if the owner would
        have more than `limit` favorites, or if the owner is new.
    """
    guard: Query = {
        "_id": owner,
        "events.eventId": {"$nin": [entry["eventId"] for entry in entries]},
        "count": {"$lte": limit - len(entries)},
    }
    update: Query = {
        "$push": {"events": {"$each": list(entries)}},
        "$inc": {"count": len(entries)},
        **_SET_CHANGED_AT,
    }
    return _favorites(db).update_one(guard, update).modified_count == 1


def remove_all(db: Db, owner: str, event_ids: Sequence[int]) -> bool:
    """Remove favorites in one guarded write.

    Args:
        event_ids: of different events.

    Returns:
        False, with nothing written, if one of the events is no favorite of the owner.
    """
    removed: Query = {"$pull": {"events": {"eventId": {"$in": list(event_ids)}}}}
    result = _favorites(db).update_one(
        {"_id": owner, "events.eventId": {"$all": list(event_ids)}},
        {**removed, "$inc": {"count": -len(event_ids)}, **_SET_CHANGED_AT},
    )
    return result.modified_count == 1


def find_event_ids(db: Db, owners: Iterable[str]) -> dict[str, list[int]]:
    """Return the eventIds of the favorites of these owners, oldest first, by owner.

    Owners who never had a favorite are left out.
    """
    found = _favorites(db).find({"_id": {"$in": list(owners)}}, {"events.eventId": 1})
    return {favorites["_id"]: _list_event_ids(favorites) for favorites in found}


def _list_event_ids(favorites: StoredFavorites) -> list[int]:
    return [entry["eventId"] for entry in favorites["events"]]


def find_owners(db: Db, event_id: int) -> list[str]:
    """Return the owners who have this event as a favorite."""
    found = _favorites(db).find({"events.eventId": event_id}, {"_id": 1})
    return [favorites["_id"] for favorites in found]


def find_owners_after(db: Db, owner: str, limit: int) -> dict[str, list[int]]:
    """Return the next owners after this one, in order, with the eventIds of their favorites."""
    found = _favorites(db).find({"_id": {"$gt": owner}}, {"events.eventId": 1})
    found = found.sort("_id", ASCENDING).limit(limit)
    return {favorites["_id"]: _list_event_ids(favorites) for favorites in found}


def find_last_changed_at(db: Db) -> datetime | None:
    """Return when any favorites last changed, by the database's clock; None if they never did."""
    # The condition is met by all times. Some servers use the index for it, but not for the sort.
    where = {"changedAt": {"$gt": datetime.fromtimestamp(0, UTC)}}
    last = _favorites(db).find_one(where, {"changedAt": 1}, sort=[("changedAt", DESCENDING)])
    return last["changedAt"] if last else None


def find_changes_since(db: Db, moment: datetime) -> list[FavoritesChange]:
    """Return the owners whose favorites changed after this time, in no order."""
    found = _favorites(db).find({"changedAt": {"$gt": moment}}, {"changedAt": 1})
    return [FavoritesChange(each["_id"], each["changedAt"]) for each in found]


def remove_event(db: Db, event_id: int) -> None:
    """Remove an event from the favorites of all owners."""
    _favorites(db).update_many(
        {"events.eventId": event_id},
        {"$pull": {"events": {"eventId": event_id}}, "$inc": {"count": -1}, **_SET_CHANGED_AT},
    )


def delete_owner(db: Db, owner: str) -> None:
    """Delete all favorites of an owner."""
    delete_document(_favorites(db), {"_id": owner})
