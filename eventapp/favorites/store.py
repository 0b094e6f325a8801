"""The favorites collection: one document for each owner, see `types.StoredFavorites`."""

from collections.abc import Iterable
from datetime import datetime
from typing import cast

from pymongo import ASCENDING, IndexModel
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from eventapp.core.database import Db, Query
from eventapp.favorites.types import FavoriteEntry, StoredFavorites

INDEXES = {"favorites": [IndexModel([("events.eventId", ASCENDING)], name="by_event")]}


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
    update: Query = {"$push": {"events": entry}, "$inc": {"count": 1}}
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
        {"$pull": {"events": {"eventId": event_id}}, "$inc": {"count": -1}},
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


def remove_event(db: Db, event_id: int) -> None:
    """Remove an event from the favorites of all owners."""
    _favorites(db).update_many(
        {"events.eventId": event_id},
        {"$pull": {"events": {"eventId": event_id}}, "$inc": {"count": -1}},
    )


def delete_owner(db: Db, owner: str) -> None:
    """Delete all favorites of an owner."""
    _favorites(db).delete_one({"_id": owner})
