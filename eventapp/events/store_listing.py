"""Read lists of events: build MongoDB filters, find events in an order, count matches."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import cast

from bson import ObjectId

from eventapp.core.database import Db, Query
from eventapp.events.store import EXCLUDED_IN_LISTS
from eventapp.events.types import RELEVANCE, Event, EventKey, SortValue

# With a hundred thousand events, scoring every match of a common word takes the database seconds.
# Therefore it scores only this many matches, the first that it finds, and a list by relevance that
# the database answers contains no others.
MAX_SCORED = 1_000
# How many sort keys `scan_listed` reads at once.
SCAN_BATCH_SIZE = 500

# A stored field or RELEVANCE, and 1 for ascending or -1 for descending.
Order = tuple[str, int]
# The sort value and the eventId of an event.
SortKey = tuple[SortValue, int]


def make_public_filter(*, upcoming: bool, organizer_id: ObjectId | None = None) -> Query:
    """Return the filter of the events that everyone may see in lists.

    Without an organizer the filter compares one field, with which the indexes of lists begin.

    Args:
        organizer_id: only events of this user; None for the events of all.
    """
    public: Query = {"listed": True} if upcoming else {"public": True}
    return {**public, "organizerId": organizer_id} if organizer_id else public


def make_organizer_filter(today: datetime, organizer_id: ObjectId, *, upcoming: bool) -> Query:
    """Return the filter of an organizer's own events, drafts included.

    The filter compares the schedule and not `lastDate`. With `lastDate`, a server would also read
    the index of that field, which contains the events of all organizers.
    """
    dates = {"schedule.date": {"$gte": today}} if upcoming else {}
    return {"organizerId": organizer_id, **dates}


def make_text_condition(search: str) -> Query:
    """Return the condition that an event matches the words and phrases of a search."""
    return {"$text": {"$search": search}}


def make_category_condition(categories: list[str]) -> Query:
    """Return the condition that an event has one of these categories."""
    return {"category": {"$in": categories}}


def make_id_condition(event_ids: list[int]) -> Query:
    """Return the condition that an event is one of these."""
    return {"eventId": {"$in": event_ids}}


def narrow(scope: Query, conditions: Iterable[Query]) -> Query:
    """Return the filter of the events in the scope that meet all conditions."""
    conditions = list(conditions)
    return {**scope, "$and": conditions} if conditions else scope


def count_matching(db: Db, where: Query, *, limit: int) -> int:
    """Count the matching events, no further than `limit`."""
    return db.events.count_documents(where, limit=limit)


def find_in_order(
    db: Db,
    where: Query,
    order: Order,
    *,
    after: SortKey | None = None,
    skip: int = 0,
    limit: int,
) -> list[Event]:
    """Return matching events in this order; equal ones are sorted by eventId.

    Events that are sorted by RELEVANCE have a further field with their score.

    Args:
        after: the sort key after which to continue; None to start with the first event.
        skip: how many events to leave out from there on.
        limit: how many events to return at most.
    """
    if order[0] == RELEVANCE:
        return _find_by_relevance(db, where, after=after, skip=skip, limit=limit)
    found = _find_sorted(
        db, where, order, after=after, skip=skip, limit=limit, fields=EXCLUDED_IN_LISTS
    )
    return cast(list[Event], found)


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
            cursor = db.events.find({"$and": [where, condition]} if condition else where, fields)
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


def _find_by_relevance(
    db: Db, where: Query, *, after: SortKey | None, skip: int, limit: int
) -> list[Event]:
    """Return matching events, the best first.

    This is an aggregation, because a query cannot compare a computed score with that of `after`.
    """
    stages: list[Query] = [
        {"$match": where},
        {"$limit": MAX_SCORED},
        {"$addFields": {RELEVANCE: {"$meta": "textScore"}}},
    ]
    if after:
        score, event_id = after
        tie = {RELEVANCE: score, "eventId": {"$gt": event_id}}
        stages.append({"$match": {"$or": [{RELEVANCE: {"$lt": score}}, tie]}})
    stages.append({"$sort": {RELEVANCE: -1, "eventId": 1}})
    stages += [{"$skip": skip}] if skip else []
    stages += [{"$limit": limit}, {"$project": EXCLUDED_IN_LISTS}]
    return cast(list[Event], list(db.events.aggregate(stages)))
