"""Read lists of events: build MongoDB filters, find events in an order, count matches."""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import NamedTuple, cast

from bson import ObjectId

from eventapp.core.database import Db, Query
from eventapp.events.search_types import SearchPatterns
from eventapp.events.store import BASE_INDEX_FIELDS, EXCLUDED_IN_LISTS, OWNER_INDEX
from eventapp.events.types import (
    CandidateEvent,
    Event,
    EventKey,
    IndexedEvent,
    ListedKey,
    SortValue,
)

# How many sort keys `scan_listed` reads at once.
SCAN_BATCH_SIZE = 500

# How many events `iter_candidates` yields at once.
CANDIDATE_BATCH_SIZE = 1_000

# A stored field or RELEVANCE, and 1 for ascending or -1 for descending.
Order = tuple[str, int]
# The sort value and the eventId of an event.
SortKey = tuple[SortValue, int]


def make_public_filter(*, upcoming: bool) -> Query:
    """Return the filter of the events that everyone may see in lists.

    The filter compares one field, with which the indexes of lists begin.
    """
    return {"listed": True} if upcoming else {"public": True}


class OwnScope(NamedTuple):
    """Some events of an organizer, for the list of the caller's own events.

    Attributes:
        event_ids: only these events of the organizer; None for all.
        with_drafts: False for only those that everyone may see in lists.
    """

    organizer_id: ObjectId
    event_ids: frozenset[int] | None = None
    with_drafts: bool = True


def make_own_filter(today: datetime, scopes: Iterable[OwnScope], *, upcoming: bool) -> Query:
    """Return the filter of the events in at least one of these scopes.

    The filter compares the schedule and not `lastDate`. With `lastDate`, a server would also read
    the index of that field, which contains the events of all organizers.
    """
    dates: Query = {"schedule.date": {"$gte": today}} if upcoming else {}
    conditions: list[Query] = []
    for scope in scopes:
        events: Query = {} if scope.event_ids is None else {"eventId": {"$in": [*scope.event_ids]}}
        shown = dates if scope.with_drafts else make_public_filter(upcoming=upcoming)
        conditions.append({"organizerId": scope.organizer_id, **events, **shown})
    if len(conditions) == 1:
        return conditions[0]
    # The first condition finds them all by OWNER_INDEX.
    return {"organizerId": {"$in": [each["organizerId"] for each in conditions]}, "$or": conditions}


def make_search_conditions(patterns: SearchPatterns) -> list[Query]:
    """Return the conditions that an event matches a search."""
    if not patterns.words:
        return [{"eventId": {"$in": []}}]
    return [
        {"$text": {"$search": " ".join(patterns.words)}},
        *({"searchTexts": {"$regex": pattern}} for pattern in patterns.required),
        *({"searchTexts": {"$not": re.compile(pattern)}} for pattern in patterns.excluded),
    ]


def make_pattern_condition(pattern: str) -> Query:
    """Return the condition that one of the `searchTexts` matches, which no index knows."""
    return {"searchTexts": {"$regex": pattern}}


def make_id_condition(event_ids: list[int]) -> Query:
    """Return the condition that an event is one of these."""
    return {"eventId": {"$in": event_ids}}


def narrow(scope: Query, conditions: Iterable[Query]) -> Query:
    """Return the filter of the events in the scope that meet all conditions."""
    conditions = list(conditions)
    return {**scope, "$and": conditions} if conditions else scope


def choose_index(own_scope: Query | None, search: str) -> str | None:
    """Return the name of the index for a list; None to let the database choose.

    For the events of several organizers, a server may read all events in the order of the list.
    Only a text index can answer a search.
    """
    return OWNER_INDEX if own_scope and not search else None


def count_matching(db: Db, where: Query, *, limit: int, index: str | None = None) -> int:
    """Count the matching events, no further than `limit`, by the index of this name."""
    if index:
        return db.events.count_documents(where, limit=limit, hint=index)
    return db.events.count_documents(where, limit=limit)


def find_indexed_rows(
    db: Db, where: Query, *, fields: Iterable[str], limit: int, index: str | None
) -> list[IndexedEvent]:
    """Return what the in-memory index reads of matching events, but for their words.

    Args:
        fields: what to read of each in addition to BASE_INDEX_FIELDS.
        limit: how many events to return at most, in no particular order.
        index: the name of the index to use; None to let the database choose.
    """
    names = {*BASE_INDEX_FIELDS, *fields} - {"title", "searchTexts"}
    found = db.events.find(where, dict.fromkeys(names, 1), hint=index).limit(limit)
    return cast(list[IndexedEvent], list(found))


def find_in_order(
    db: Db,
    where: Query,
    order: Order,
    *,
    after: SortKey | None = None,
    skip: int = 0,
    limit: int,
    index: str | None = None,
) -> list[Event]:
    """Return matching events in an order other than relevance; equal ones are sorted by eventId.

    Args:
        after: the sort key after which to continue; None to start with the first event.
        skip: how many events to leave out from there on.
        limit: how many events to return at most.
        index: the name of the index to use; None to let the database choose.
    """
    fields = EXCLUDED_IN_LISTS
    found = _find_sorted(
        db, where, order, after=after, skip=skip, limit=limit, fields=fields, index=index
    )
    return cast(list[Event], found)


def iter_candidates(
    db: Db, where: Query, *, fields: Iterable[str], index: str | None = None
) -> Iterator[list[CandidateEvent]]:
    """Yield the matching events in batches, in no order.

    Args:
        fields: the fields of schedule entries to read, besides their dates.
        index: the name of the index to use; None to let the database choose.
    """
    projection = dict.fromkeys(("eventId", "schedule.date", *fields), 1)
    found = iter(cast(Iterable[CandidateEvent], db.events.find(where, projection, hint=index)))
    while batch := list(islice(found, CANDIDATE_BATCH_SIZE)):
        yield batch


def get_sort_key(event: EventKey, order: Order) -> SortKey:
    """Return the sort key of an event that was read in this order."""
    return cast(dict[str, SortValue], event)[order[0]], event["eventId"]


def scan_listed(db: Db, order: Order, *, after: SortKey | None = None) -> Iterator[list[SortKey]]:
    """Yield the sort keys of all listed events in an order other than relevance, in batches."""
    where, fields = make_public_filter(upcoming=True), {"eventId": 1, order[0]: 1}
    while True:
        events = _find_sorted(db, where, order, after=after, limit=SCAN_BATCH_SIZE, fields=fields)
        keys = [get_sort_key(event, order) for event in events]
        yield keys
        if len(keys) < SCAN_BATCH_SIZE:
            return
        after = keys[-1]


def _find_sorted(
    db: Db,
    where: Query,
    order: Order,
    *,
    after: SortKey | None,
    skip: int = 0,
    limit: int,
    fields: Query,
    index: str | None = None,
) -> list[EventKey]:
    """Return events in an order other than relevance, with the fields of this projection."""
    field, direction = order
    sort = [(field, direction)]
    if field != "eventId":
        sort.append(("eventId", direction))
    found: list[EventKey] = []
    for condition in _make_conditions_after(order, after):
        remaining = limit - len(found)
        if remaining:
            matching = {"$and": [where, condition]} if condition else where
            cursor = db.events.find(matching, fields, hint=index)
            found += cast(list[EventKey], list(cursor.sort(sort).skip(skip).limit(remaining)))
    return found


def _make_conditions_after(order: Order, after: SortKey | None) -> list[Query]:
    """Return the conditions of the events after this sort key, for queries in this order.

    The first query finds those with an equal sort value, the second one the rest. With one `$or`
    the server would read all events with an equal value, from the first one on.
    """
    if after is None:
        return [{}]
    (field, direction), (value, event_id) = order, after
    beyond = "$gt" if direction > 0 else "$lt"
    if field == "eventId":
        return [{"eventId": {beyond: event_id}}]
    return [{field: value, "eventId": {beyond: event_id}}, {field: {beyond: value}}]


def iter_search_texts(db: Db, where: Query) -> Iterator[tuple[int, list[str]]]:
    """Yield the eventId and the `searchTexts` of each matching event, in no order."""
    for event in db.events.find(where, {"eventId": 1, "searchTexts": 1}):
        yield event["eventId"], event["searchTexts"]


def find_search_texts(db: Db, where: Query) -> list[str]:
    """Return the `searchTexts` of a matching event; empty if there is none."""
    event = db.events.find_one(where, {"searchTexts": 1})
    return event["searchTexts"] if event else []


def find_listed_between(db: Db, first_id: int, last_id: int) -> list[ListedKey]:
    """Return the listed events with these eventIds, both included, in the order of their ids."""
    where = {**make_public_filter(upcoming=True), "eventId": {"$gte": first_id, "$lte": last_id}}
    fields = {"_id": 0, "eventId": 1, "organizerId": 1, "updatedAt": 1}
    found = db.events.find(where, fields).sort([("eventId", 1)])
    return cast(list[ListedKey], list(found))


def find_listed_id_after(db: Db, event_id: int) -> int | None:
    """Return the lowest eventId of a listed event above this one; None if there is none."""
    where = {**make_public_filter(upcoming=True), "eventId": {"$gt": event_id}}
    found = db.events.find_one(where, {"_id": 0, "eventId": 1}, sort=[("eventId", 1)])
    return cast(EventKey, found)["eventId"] if found else None
