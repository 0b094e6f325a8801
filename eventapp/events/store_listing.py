"""Lists of events: filters, orders, places in them, and counts."""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from bson import ObjectId

from eventapp.core.database import Db, Document
from eventapp.events.store import HIDDEN

RELEVANCE = "score"
# To score every match of a common word takes the database seconds at a hundred thousand events:
# beyond so many, the best of those found first are the answer, and its walk ends with them.
MAX_SCORED = 1_000
WALKED_AT_ONCE = 500


def public_filter(*, upcoming: bool) -> Document:
    """What everyone may see. `listed` alone, for every list has an index that begins with it."""
    return {"listed": True} if upcoming else {"public": True}


def organizers_filter(today: datetime, organizer_id: ObjectId, *, upcoming: bool) -> Document:
    """An organizer's own events, drafts too.

    By the entries: the index of `lastDate` would be read along, and it holds everybody's events.
    """
    dates = {"schedule.date": {"$gte": today}} if upcoming else {}
    return {"organizerId": organizer_id, **dates}


def narrowed(base: Document, *, conditions: Iterable[Document]) -> Document:
    """`base` and all conditions at once."""
    every = [condition for condition in conditions if condition]
    return {**base, "$and": every} if every else base


def among(event_ids: list[int]) -> Document:
    return {"eventId": {"$in": event_ids}}


def in_category(category: str | None) -> Document:
    return {"category": category} if category else {}


def in_categories(categories: list[str]) -> Document:
    return {"category": {"$in": categories}}


def by_organizer(organizer_id: ObjectId | None) -> Document:
    return {"organizerId": organizer_id} if organizer_id else {}


def with_tags(tag_keys: list[str]) -> Document:
    return {"tagKeys": {"$all": tag_keys}} if tag_keys else {}


def in_city(city_key: str) -> Document:
    """Part of a location, in its folded form."""
    return {"places": {"$regex": re.escape(city_key)}} if city_key else {}


def in_words(search: str) -> Document:
    return {"$text": {"$search": search}} if search else {}


def between_dates(first: datetime | None, last: datetime | None) -> Document:
    """One schedule entry lies in both bounds."""
    bounds = _bounds(first, last)
    return {"schedule": {"$elemMatch": {"date": bounds}}} if bounds else {}


def with_price(low: float | None, high: float | None, *, available_only: bool) -> Document:
    """One ticket type lies in both bounds, and has tickets if asked for."""
    kind: Document = {}
    if bounds := _bounds(low, high):
        kind["price"] = bounds
    if available_only:
        kind["availableTickets"] = {"$gt": 0}
    return {"ticketTypes": {"$elemMatch": kind}} if kind else {}


def _bounds(low: Any, high: Any) -> Document:
    bounds = {"$gte": low, "$lte": high}
    return {operator: value for operator, value in bounds.items() if value is not None}


def count(db: Db, where: Document, *, up_to: int) -> int:
    """How many there are, counted no further than `up_to`."""
    return db.events.count_documents(where, limit=up_to)


def rows(
    db: Db,
    where: Document,
    order: tuple[str, int],
    *,
    after: tuple[Any, int] | None = None,
    skip: int = 0,
    limit: int,
    fields: Document = HIDDEN,
) -> list[Document]:
    """The matching events in their order, with eventId deciding between equals.

    Args:
        order: a scalar field or RELEVANCE, and 1 or -1.
        after: the order's value and the eventId of the row to go on after.
        fields: what to read, or to leave out, of each; of RELEVANCE always all that is shown.
    """
    field, direction = order
    if field == RELEVANCE:
        return _by_relevance(db, where, after=after, skip=skip, limit=limit)
    found: list[Document] = []
    for stretch in _stretches(field, direction, after):
        left = limit - len(found)
        if left:
            cursor = db.events.find({"$and": [where, stretch]} if stretch else where, fields)
            keys = [(field, direction), ("eventId", direction)][: 1 if field == "eventId" else 2]
            found += cursor.sort(keys).skip(skip).limit(left)
    return found


def walk(
    db: Db, where: Document, order: tuple[str, int], *, after: tuple[Any, int] | None = None
) -> Iterator[list[Document]]:
    """All matching events as `rows` has them, but only eventId and the order's field, in parts."""
    fields, part = {"eventId": 1, order[0]: 1}, None
    while part is None or len(part) == WALKED_AT_ONCE:
        part = rows(db, where, order, after=after, limit=WALKED_AT_ONCE, fields=fields)
        yield part
        if part:
            after = part[-1][order[0]], part[-1]["eventId"]


def _stretches(field: str, direction: int, after: tuple[Any, int] | None) -> list[Document]:
    """What lies beyond a row: first its equals, then the rest. As one `$or` the two would make
    the server walk all equals from the first."""
    if after is None:
        return [{}]
    value, event_id = after
    beyond = "$gt" if direction > 0 else "$lt"
    if field == "eventId":
        return [{"eventId": {beyond: event_id}}]
    return [{field: value, "eventId": {beyond: event_id}}, {field: {beyond: value}}]


def _by_relevance(
    db: Db, where: Document, *, after: tuple[Any, int] | None, skip: int, limit: int
) -> list[Document]:
    """Best match first; the score is computed, so only an aggregation can go on after one."""
    stages: list[Document] = [
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
    stages += [{"$limit": limit}, {"$project": HIDDEN}]
    return list(db.events.aggregate(stages))
