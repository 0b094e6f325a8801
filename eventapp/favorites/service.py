"""Add, remove, list, erase and export favorites.

An `owner` is the key of an Actor (`Actor.favorites_key`): a user, a device or the guest.
"""

from datetime import datetime

from bson import ObjectId

from eventapp.core.access.actor import Actor
from eventapp.core.batched_reads import BatchedReads
from eventapp.core.database import Db
from eventapp.favorites import batched_changes, store
from eventapp.favorites.batched_changes import Addition, Removal
from eventapp.favorites.types import FavoritesChange

_READS = BatchedReads(store.find_event_ids)


def add(db: Db, owner: str, event_id: int, *, limit: int, now: datetime) -> bool:
    """Add a favorite.

    Returns:
        False, with nothing written, if the event is a favorite already or the owner has `limit`
        favorites.
    """
    return batched_changes.add(Addition(db, owner, event_id, now, limit))


def remove(db: Db, owner: str, event_id: int) -> bool:
    """Remove a favorite. Return False if the event is no favorite of the owner."""
    return batched_changes.remove(Removal(db, owner, event_id))


def list_event_ids(db: Db, owner: str) -> list[int]:
    """Return the eventIds of the owner's favorites, newest first.

    Calls that arrive at the same time share a query.
    """
    return (_READS.find(db, owner) or [])[::-1]


def find_users_with(db: Db, event_id: int) -> list[ObjectId]:
    """Return the users who have this event as a favorite. Devices and the guest are left out."""
    owners = (owner.partition(":") for owner in store.find_owners(db, event_id))
    return [ObjectId(id_) for owner_type, _, id_ in owners if owner_type == "user"]


def find_owners_after(db: Db, owner: str, limit: int) -> dict[str, list[int]]:
    """Return the next owners after this one, in order, with the eventIds of their favorites."""
    return store.find_owners_after(db, owner, limit)


def find_last_changed_at(db: Db) -> datetime | None:
    """Return when any favorites last changed, by the database's clock; None if they never did."""
    return store.find_last_changed_at(db)


def find_changes_since(db: Db, moment: datetime) -> list[FavoritesChange]:
    """Return the owners whose favorites changed after this time of the database, in no order."""
    return store.find_changes_since(db, moment)


def forget_event(db: Db, event_id: int) -> None:
    """Remove a deleted event from the favorites of all owners."""
    store.remove_event(db, event_id)


def forget_user(db: Db, user_id: ObjectId) -> None:
    """Delete the favorites of a deleted user."""
    store.delete_owner(db, Actor(user_id).favorites_key)


def export_user(db: Db, user_id: ObjectId) -> dict[str, list[int]]:
    """Return the eventIds of a user's favorites, newest first, as `favorites`."""
    return {"favorites": list_event_ids(db, Actor(user_id).favorites_key)}
