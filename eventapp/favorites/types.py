"""The documents of the `favorites` collection."""

from datetime import datetime
from typing import NamedTuple, TypedDict


class FavoriteEntry(TypedDict):
    """One favorite of an owner."""

    eventId: int
    at: datetime  # when the owner added it


class StoredFavorites(TypedDict):
    """All favorites of one owner."""

    _id: str  # the owner, see Actor.favorites_key: `user:<id>`, `device:<id>` or `guest`
    events: list[FavoriteEntry]  # oldest first
    count: int  # the length of `events`
    changedAt: datetime  # of the last write, by the database's clock; absent in older documents


class FavoritesChange(NamedTuple):
    """The last write to the favorites of an owner."""

    owner: str
    changed_at: datetime  # by the database's clock
