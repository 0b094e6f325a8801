"""Add and remove favorites, with one write for those of an owner that arrive at the same time.

All users of the Android app are the same guest, and writes to one document wait for each other in
the database. A shared write is guarded so that it makes all of its changes or none. In the second
case each change is made by a write of its own, which tells whether it can be made.
"""

from collections.abc import Hashable, Sequence
from datetime import datetime
from typing import NamedTuple

from eventapp.core.batching import Batcher, run_each
from eventapp.core.database import Db
from eventapp.favorites import store
from eventapp.favorites.types import FavoriteEntry


class Addition(NamedTuple):
    """A favorite to add; `limit` is how many the owner may have."""

    db: Db
    owner: str
    event_id: int
    added_at: datetime
    limit: int


class Removal(NamedTuple):
    """A favorite to remove."""

    db: Db
    owner: str
    event_id: int


def add(addition: Addition) -> bool:
    """Add a favorite. Return False as `store.add` does."""
    return _ADDITIONS.submit((addition.db, addition.owner), addition)


def remove(removal: Removal) -> bool:
    """Remove a favorite. Return False if the event is no favorite of the owner."""
    return _REMOVALS.submit((removal.db, removal.owner), removal)


def _add_batch(_key: Hashable, additions: Sequence[Addition]) -> Sequence[bool | Exception]:
    db, owner, _event_id, _added_at, limit = additions[0]
    entries: list[FavoriteEntry] = [
        {"eventId": each.event_id, "at": each.added_at} for each in additions
    ]
    if _may_share_a_write(additions) and store.add_all(db, owner, entries, limit=limit):
        return [True] * len(additions)
    return run_each(_add_one, additions)


def _remove_batch(_key: Hashable, removals: Sequence[Removal]) -> Sequence[bool | Exception]:
    db, owner, _event_id = removals[0]
    event_ids = [each.event_id for each in removals]
    if _may_share_a_write(removals) and store.remove_all(db, owner, event_ids):
        return [True] * len(removals)
    return run_each(_remove_one, removals)


def _may_share_a_write(changes: Sequence[Addition] | Sequence[Removal]) -> bool:
    """Return whether there are several, and no two of the same event, of which one must fail."""
    return 1 < len(changes) == len({each.event_id for each in changes})


def _add_one(addition: Addition) -> bool:
    db, owner, event_id, added_at, limit = addition
    return store.add(db, owner, event_id, limit=limit, now=added_at)


def _remove_one(removal: Removal) -> bool:
    return store.remove(*removal)


_ADDITIONS: Batcher[Addition, bool] = Batcher(_add_batch)
_REMOVALS: Batcher[Removal, bool] = Batcher(_remove_batch)
