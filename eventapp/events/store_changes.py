"""Read the changes of public events in the order in which clients follow them.

There are three kinds of changes. An event that is public was written: it has the time `changedAt`.
An edit made an event not public: it has the time `publicUntil`, which later edits keep, so that
nobody learns when a draft was edited. An event that was public was deleted: `goneEvents` has a
record of it. Drafts that never were public are in none of these.

All times are the database's. `events.public_changes` says how clients follow the changes.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple, cast

from pymongo import ASCENDING

from eventapp.core.database import Db, Query
from eventapp.events.store import (
    CHANGES_INDEX,
    EXCLUDED_IN_LISTS,
    NEVER_CHANGED,
    SET_CHANGED_AT,
    WITHDRAWN_INDEX,
)
from eventapp.events.types import Event


class ChangeKey(NamedTuple):
    """The position of a change: its time, and the event, which decides between equal times.

    EventIds begin with 1, so that a position with the eventId 0 is before all changes of its time.
    """

    changed_at: datetime
    event_id: int


class _Source(NamedTuple):
    """Where changes of one kind are found.

    Attributes:
        time_field: the field with the time of the change.
        condition: which documents are such changes.
        index_name: of the index in the order of the changes.
    """

    collection: str
    time_field: str
    condition: Query
    index_name: str


_SOURCES = (
    _Source("events", "changedAt", {"public": True}, CHANGES_INDEX),
    _Source("events", "publicUntil", {"public": False}, WITHDRAWN_INDEX),
    _Source("goneEvents", "changedAt", {"wasPublic": True}, CHANGES_INDEX),
)


def find_public_after(db: Db, event_id: int, limit: int) -> list[Event]:
    """Return public events with a higher eventId, by eventId."""
    where = {"public": True, "eventId": {"$gt": event_id}}
    found = db.events.find(where, EXCLUDED_IN_LISTS, hint="public_eventId")
    return cast(list[Event], list(found.sort("eventId", ASCENDING).limit(limit)))


def find_changes(db: Db, after: ChangeKey, limit: int) -> list[ChangeKey]:
    """Return the first changes after a position, in their order.

    An event may be among them several times, because each kind of change counts.
    """
    keys = {key for each in _SOURCES for key in _find_in(db, each, after, limit)}
    return sorted(keys)[:limit]


def _find_in(db: Db, source: _Source, after: ChangeKey, limit: int) -> list[ChangeKey]:
    """Return the first changes of one kind; arguments as `find_changes`."""
    time_field = source.time_field
    found: list[ChangeKey] = []
    for condition in _make_conditions(time_field, after):
        if remaining := limit - len(found):
            cursor = db[source.collection].find(
                {**source.condition, **condition},
                {"eventId": 1, time_field: 1},
                hint=source.index_name,
            )
            in_order = cursor.sort([(time_field, ASCENDING), ("eventId", ASCENDING)])
            found += _make_keys(in_order.limit(remaining), time_field)
    return found


def _make_conditions(time_field: str, after: ChangeKey) -> list[Query]:
    """Return the conditions of the changes after a position, for queries in their order.

    Many changes may have the same time, as of a bulk load. After one of them, the first query finds
    those of this time, and the second one the rest. With one `$or` the server would read all
    changes of that time, from the first one on.
    """
    moment, event_id = after
    if event_id == 0:
        return [{time_field: {"$gte": moment}}]
    equal = {time_field: moment, "eventId": {"$gt": event_id}}
    return [equal, {time_field: {"$gt": moment}}]


def _make_keys(documents: Iterable[Mapping[str, Any]], time_field: str) -> list[ChangeKey]:
    return [ChangeKey(document[time_field], document["eventId"]) for document in documents]


def set_missing_times(db: Db) -> None:
    """Set `changedAt` where it is missing, because a bulk load was interrupted before it did.

    Until then, neither clients nor other processes learn of these events.
    """
    db.events.update_many({"changedAt": {"$in": [None, NEVER_CHANGED]}}, SET_CHANGED_AT)
