"""Who has which event as a favorite. `key` is an Actor's: a user, a device or the guest."""

from datetime import datetime

from bson import ObjectId

from eventapp.core.access.actor import Actor
from eventapp.core.database import Db
from eventapp.favorites import store


def add(db: Db, key: str, event_id: int, *, limit: int, now: datetime) -> bool:
    """False, with nothing written, when it is a favorite already or there are `limit`."""
    return store.add(db, key, event_id, limit=limit, now=now)


def remove(db: Db, key: str, event_id: int) -> bool:
    """False when it was no favorite."""
    return store.remove(db, key, event_id)


def newest_first(db: Db, key: str) -> list[int]:
    """The eventIds of the caller's favorites."""
    return store.event_ids(db, key)[::-1]


def users_with(db: Db, event_id: int) -> list[ObjectId]:
    """The users, not devices or guests, who have this event as a favorite."""
    keys = (key.partition(":") for key in store.owners(db, event_id))
    return [ObjectId(id_) for kind, _, id_ in keys if kind == "user"]


def forget_event(db: Db, event_id: int) -> None:
    """After an event is deleted: nobody has it any more."""
    store.forget_event(db, event_id)


def forget_user(db: Db, user_id: ObjectId) -> None:
    """After a user is deleted: the favorites go too."""
    store.forget_owner(db, Actor(user_id).favorites_key)


def export_user(db: Db, user_id: ObjectId) -> dict[str, list[int]]:
    """What is stored here about the person."""
    return {"favorites": newest_first(db, Actor(user_id).favorites_key)}
