"""Read the events whose texts are suggested while somebody types."""

import re
from collections.abc import Iterable
from typing import cast

from pymongo import DESCENDING

from eventapp.core.database import Db
from eventapp.events.types import Event, IndexedEvent

# The most events that one query reads.
MAX_READ = 200
# The folded texts that an index finds by their beginnings, each with the index.
_KEYS = {"titleKey": "listed_title", "places": "listed_places", "tagKeys": "listed_tags"}
_TEXT_FIELDS = dict.fromkeys(
    ("eventId", "listed", "title", "schedule.location", "organizer", "category", "tags"), 1
)


def find_titles(db: Db, event_ids: Iterable[int]) -> dict[int, str]:
    """Return the titles of those of these events that are listed, by their eventIds."""
    where = {"eventId": {"$in": list(event_ids)}, "listed": True}
    found = cast(Iterable[Event], db.events.find(where, {"eventId": 1, "title": 1}))
    return {event["eventId"]: event["title"] for event in found}


def find_by_prefix(db: Db, key: str) -> list[IndexedEvent]:
    """Return listed events with a text that begins with this folded text.

    The text is the title, a location or a tag. Of each kind, the first MAX_READ events are read in
    the order of an index; an event may be returned more than once.

    Returns:
        The events with the fields whose texts are suggested.
    """
    pattern = {"$regex": f"^{re.escape(key)}"}
    found: list[object] = []
    for field, index in _KEYS.items():
        where = {"listed": True, field: pattern}
        found += db.events.find(where, _TEXT_FIELDS, hint=index).limit(MAX_READ)
    return cast(list[IndexedEvent], found)


def find_most_popular(db: Db) -> list[IndexedEvent]:
    """Return the MAX_READ most popular listed events, with the fields whose texts are suggested."""
    order = [("popularity", DESCENDING), ("eventId", DESCENDING)]
    cursor = db.events.find({"listed": True}, _TEXT_FIELDS, hint="listed_popularity")
    return cast(list[IndexedEvent], list(cursor.sort(order).limit(MAX_READ)))
