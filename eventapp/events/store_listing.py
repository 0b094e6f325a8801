"""Read lists of events: filters, orders, pages and counts."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import cast

from bson import ObjectId

from eventapp.core.database import Db, Query
from eventapp.events.store import NOT_LOADED
from eventapp.events.types import RELEVANCE, Event, SortValue

# With a hundred thousand events, scoring every match of a common word takes the database seconds.
# Therefore it scores only this many matches, the first that it finds, and a walk by relevance ends
# with them.
MAX_SCORED = 1_000
WALK_BATCH_SIZE = 500

# A field or RELEVANCE, and 1 for ascending or -1 for descending.
Order = tuple[str, int]
# The sort value and the eventId of a row.
SortKey = tuple[SortValue, int]


def public_filter(*, upcoming: bool, organizer_id: ObjectId | None = None) -> Query:
    """Return the filter of the events that everyone may see in lists.

    Without an organizer it compares one field only, with which every index of a list begins.

    Args:
        organizer_id: only events of this user; None for the events of all.
    """
    public: Query = {"listed": True} if upcoming else {"public": True}
    return {**public, "organizerId": organizer_id} if organizer_id else public


def organizer_filter(today: datetime, organizer_id: ObjectId, *, upcoming: bool) -> Query:
    """Return the filter of an organizer's own events, drafts included.

    It compares the schedule and not `lastDate`. With `lastDate`, a server would also read the index
    of that field, which contains the events of all organizers.
    """
    dates = {"schedule.date": {"$gte": today}} if upcoming else {}
    return {"organizerId": organizer_id, **dates}


def text_condition(search: str) -> Query:
    """Return the condition that a text contains the words of a search."""
    return {"$text": {"$search": search}}


def in_categories(categories: list[str]) -> Query:
    """Return the condition that an event has one of these categories."""
    return {"category": {"$in": categories}}


def among(event_ids: list[int]) -> Query:
    """Return the condition that an event is one of these."""
    return {"eventId": {"$in": event_ids}}


def narrow(scope: Query, conditions: Iterable[Query]) -> Query:
    """Return the filter of the events in the scope that meet all conditions."""
    conditions = list(conditions)
    return {**scope, "$and": conditions} if conditions else scope


def count(db: Db, where: Query, *, limit: int) -> int:
    """Count the matching events, no further than `limit`."""
    return db.events.count_documents(where, limit=limit)


def find_page(
    db: Db,
    where: Query,
    order: Order,
    *,
    after: SortKey | None = None,
    skip: int = 0,
    limit: int,
) -> list[Event]:
    """Return matching events in their order; the eventId decides between equal ones.

    Events that are sorted by RELEVANCE have a further field with their score.

    Args:
        after: continue behind the row with this sort key.
        skip: how many rows to leave out from there on.
    """
    if order[0] == RELEVANCE:
        return _find_by_relevance(db, where, after=after, skip=skip, limit=limit)
    return _find_sorted(db, where, order, after=after, skip=skip, limit=limit, fields=NOT_LOADED)


def sort_key(event: Event, order: Order) -> SortKey:
    """Return the sort key of an event that was read in this order."""
    return cast(dict[str, SortValue], event)[order[0]], event["eventId"]


def walk_listed(db: Db, order: Order, *, after: SortKey | None = None) -> Iterator[list[SortKey]]:
    """Yield the sort keys of all listed events in an order other than relevance, in batches."""
    where, fields = public_filter(upcoming=True), {"eventId": 1, order[0]: 1}
    while True:
        events = _find_sorted(db, where, order, after=after, limit=WALK_BATCH_SIZE, fields=fields)
        keys = [sort_key(event, order) for event in events]
        yield keys
        if len(keys) < WALK_BATCH_SIZE:
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
) -> list[Event]:
    field, direction = order
    sort = [(field, direction), ("eventId", direction)][: 1 if field == "eventId" else 2]
    found: list[Event] = []
    for condition in _conditions_after(order, after):
        remaining = limit - len(found)
        if remaining:
            cursor = db.events.find({"$and": [where, condition]} if condition else where, fields)
            found += cast(list[Event], list(cursor.sort(sort).skip(skip).limit(remaining)))
    return found


def _conditions_after(order: Order, after: SortKey | None) -> list[Query]:
    """Return the conditions of the rows behind `after`: first those with an equal value.

    They are for two queries, because with one `$or` the server would walk all rows with an equal
    value from the first one on.
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

    The score is computed, so that only an aggregation can compare it with that of `after`.
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
    stages += [{"$limit": limit}, {"$project": NOT_LOADED}]
    return cast(list[Event], list(db.events.aggregate(stages)))
