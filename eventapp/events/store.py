"""Read and write the `events` collection.

Other modules use it too: `store_listing` reads pages of lists, `store_deletions` deletes events,
`store_timekeeping` updates what depends on the time,
`inventory.store` changes the stock of ticket types, and `analytics.store_figures` computes figures.
An edit replaces the ticket types as a whole. The revision guards it, so that it never overwrites a
sale.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import cast

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, GEOSPHERE, TEXT, IndexModel, ReturnDocument, UpdateOne
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError, DuplicateKeyError, PyMongoError

from eventapp.core.database import Db, Query, exclude_ids, is_unavailable
from eventapp.events.log_types import LogNote
from eventapp.events.types import (
    ClosingEvent,
    CopiedEvent,
    Event,
    EventChange,
    EventKey,
    EventRevision,
    EventTerms,
    EventVisibility,
    IndexedEvent,
    NewEvent,
    StoredEvent,
)


def _make_listed_index(name: str, *keys: tuple[str, int]) -> IndexModel:
    return IndexModel([("listed", ASCENDING), *keys], name=name)


# The index of the events of an organizer.
OWNER_INDEX = "organizer"
# The indexes of `store_changes`: of the last writes, and of when events last ceased to be public.
CHANGES_INDEX, WITHDRAWN_INDEX = "changedAt_eventId", "publicUntil"
INDEXES = {
    "events": [
        IndexModel([("eventId", ASCENDING)], name="eventId", unique=True),
        _make_listed_index("listed_eventId", ("eventId", ASCENDING)),
        _make_listed_index("listed_title", ("titleKey", ASCENDING), ("eventId", ASCENDING)),
        _make_listed_index("listed_date", ("nextDate", ASCENDING), ("eventId", ASCENDING)),
        _make_listed_index("listed_price", ("minPrice", ASCENDING), ("eventId", ASCENDING)),
        _make_listed_index("listed_popularity", ("popularity", ASCENDING), ("eventId", ASCENDING)),
        _make_listed_index("listed_category", ("category", ASCENDING), ("eventId", ASCENDING)),
        _make_listed_index("listed_places", ("places", ASCENDING), ("eventId", ASCENDING)),
        _make_listed_index("listed_tags", ("tagKeys", ASCENDING), ("eventId", ASCENDING)),
        _make_listed_index("listed_days", ("schedule.date", ASCENDING)),
        # It has only the entries with a position. Some servers know none of `listed` and positions.
        IndexModel([("schedule.point", GEOSPHERE)], name="points"),
        IndexModel([("lastDate", ASCENDING)], name="lastDate"),
        IndexModel([("closing", ASCENDING)], name="closing", sparse=True),
        IndexModel([("organizerId", ASCENDING), ("eventId", ASCENDING)], name=OWNER_INDEX),
        IndexModel(
            [(field, ASCENDING) for field in ("organizerId", "public", "listed", "eventId")],
            name="organizer_public",
        ),
        IndexModel([("public", ASCENDING), ("eventId", ASCENDING)], name="public_eventId"),
        IndexModel(
            # The terms are folded and without endings already.
            [("searchTexts", TEXT), ("searchPrefixes", TEXT)],
            name="search",
            default_language="none",
        ),
        IndexModel([("changedAt", ASCENDING), ("eventId", ASCENDING)], name=CHANGES_INDEX),
        IndexModel([("publicUntil", ASCENDING), ("eventId", ASCENDING)], name=WITHDRAWN_INDEX),
        IndexModel([("tellAt", ASCENDING)], name="tell", sparse=True),
    ],
}
RETIRED_INDEXES = {"events": ["changedAt", "words"]}
# Where other processes look for changes: `goneEvents` has an entry for each deleted event.
CHANGE_COLLECTIONS = ("events", "goneEvents")
CHANGE_FIELDS = dict.fromkeys(
    (
        *("eventId", "rev", "terms", "changedAt", "gone"),
        *("ticketTypes.availableTickets", "ticketTypes.waiting"),
        *("quotas.availableTickets", "quotas.waiting"),
    ),
    1,
)
# Part of every write that other processes must learn of. The time is the database's, because the
# clocks of processes differ.
SET_CHANGED_AT: Query = {"$currentDate": {"changedAt": True}}
# Stands for the time of the last change while the database contains no change.
NEVER_CHANGED = datetime(1970, 1, 1, tzinfo=UTC)
# What the in-memory index reads of an event besides `filters.FACET_FIELDS`.
BASE_INDEX_FIELDS = (
    "eventId",
    "terms",
    "listed",
    "lastDate",
    "title",
    "searchTexts",
    "tags",
    "organizer",
    *("schedule.scheduleId", "schedule.date", "schedule.overAt", "schedule.location"),
    *("ticketTypes.ticketTypeId", "ticketTypes.availableTickets", "ticketTypes.waiting"),
    *("ticketTypes.visibility", "quotas"),
)
# The fields of a `StoredEvent` that are no part of an `Event`, for reads to leave out.
EXCLUDED_FIELDS = dict.fromkeys(
    (
        *("inFlight", "places", "tagKeys", "searchTexts", "searchPrefixes"),
        *("promoCodes", "nextCodeId"),
        *("logEntries", "logDue"),
    ),
    0,
)
# No answer shows cells. An event may have thousands, which only its edits need.
EXCLUDED_IN_LISTS = {**EXCLUDED_FIELDS, "cells": 0, "cellsCounted": 0, "queues": 0}
EXCLUDED_IN_COPIES = {
    name: 0 for name in EXCLUDED_IN_LISTS if name not in ("promoCodes", "nextCodeId")
}
# Adding 2 ** -100 to 1 does not change a double. Some servers refuse to compute smaller powers.
MIN_EXPONENT = -100.0


def _events(db: Db) -> Collection[Event]:
    """Return the collection, for reads that leave out EXCLUDED_FIELDS."""
    return cast(Collection[Event], db.events)


# EventIds.


def advance_event_id_counter(db: Db) -> None:
    """Let new eventIds start after the highest one in use."""
    highest = find_highest_event_id(db)
    db.counters.update_one({"_id": "eventId"}, {"$max": {"value": highest}}, upsert=True)


def find_highest_event_id(db: Db) -> int:
    """Return the highest eventId in use, 0 if there is no event."""
    event = db.events.find_one({}, {"eventId": 1}, sort=[("eventId", DESCENDING)])
    return cast(EventKey, event)["eventId"] if event else 0


def allocate_event_ids(db: Db, count: int = 1) -> range:
    """Return eventIds that were never returned before and never will be again."""
    # This is no upsert, because two concurrent upserts of a missing counter both begin at 1 on some
    # servers.
    counter = None
    while counter is None:
        counter = db.counters.find_one_and_update(
            {"_id": "eventId"},
            {"$inc": {"value": count}},
            return_document=ReturnDocument.AFTER,
        )
        if counter is None:
            advance_event_id_counter(db)
    highest: int = counter["value"]
    return range(highest - count + 1, highest + 1)


# Writes.


def insert(db: Db, event: NewEvent) -> StoredEvent:
    """Insert an event under a new eventId, and return it with its ids.

    An event that was imported by other means may have the eventId already. Then the new event gets
    the next one.
    """
    stored = cast(StoredEvent, {"_id": ObjectId(), **event})
    while True:
        stored["eventId"] = allocate_event_ids(db)[0]
        # The database sets `changedAt`. If a process set it by a clock that is ahead, the change
        # feed would miss later changes.
        fields = {name: value for name, value in stored.items() if name not in ("_id", "changedAt")}
        try:
            db.events.update_one(
                {"_id": stored["_id"]}, {"$setOnInsert": fields, **SET_CHANGED_AT}, upsert=True
            )
        except DuplicateKeyError:
            advance_event_id_counter(db)
            continue
        return stored


def insert_many(db: Db, events: list[StoredEvent]) -> None:
    """Insert events that have their eventIds, in one batch, for bulk loading.

    An insert cannot set `changedAt` to the time of the database, so a second write does. If the
    process dies in between, the next start of any process does (`store_changes.set_missing_times`).
    """
    loaded = [cast(StoredEvent, {**event, "changedAt": NEVER_CHANGED}) for event in events]
    cast(Collection[StoredEvent], db.events).insert_many(loaded, ordered=False)
    # All other indexes may have been dropped for the load.
    db.events.update_many({"_id": {"$in": [event["_id"] for event in loaded]}}, SET_CHANGED_AT)


def write_if_unchanged(
    db: Db,
    event: EventRevision,
    fields: Query,
    *,
    now: datetime,
    is_shown: bool = True,
    is_withdrawal: bool = False,
    note: LogNote | None = None,
) -> Event | None:
    """Set fields if the event is open and still has the revision that was read.

    Every sale and every edit raises the revision. So an edit never overwrites a sale. Every edit
    raises `terms`, too, so that no sale is based on what the edit replaces.

    Args:
        is_shown: raise the edit count, which everybody sees.
        is_withdrawal: record that the event ceases to be public by this write.
        note: the entry of the event's log. Only what time itself brings about has none.

    Returns:
        The event after the write, or None, with nothing written, if it has changed or is closed, or
        if it holds as many entries of its log as it may.
    """
    is_open = {"closedUntil": {"$not": {"$gt": now}}}
    counters = {"rev": 1, "terms": 1, **({"__v": 1} if is_shown else {})}
    where: Query = {"eventId": event["eventId"], "rev": event["rev"], **is_open}
    update: Query = {"$set": fields, "$inc": counters, **SET_CHANGED_AT}
    if is_withdrawal:
        update["$currentDate"] = {"changedAt": True, "publicUntil": True}
    if note:
        where |= note.guard
        update |= {"$set": {**fields, **note.fields}, "$push": note.pushed}
    return _events(db).find_one_and_update(
        where,
        update,
        projection=EXCLUDED_FIELDS,
        return_document=ReturnDocument.AFTER,
    )


def mark_answered(db: Db, event: EventTerms, question_ids: Iterable[int]) -> bool:
    """Mark questions as answered, unless the event was edited since it was read.

    An edit that has read the event before the mark fails, because the mark raises the revision.

    Returns:
        False, with nothing written, if it was edited or deleted.
    """
    marks = {f"answeredQuestions.{each}": True for each in question_ids}
    where = {"eventId": event["eventId"], "terms": event.get("terms")}
    update: Query = {"$set": marks, "$inc": {"rev": 1}, **SET_CHANGED_AT}
    return db.events.update_one(where, update).matched_count == 1


# Reads.


def find_event(db: Db, event_id: int) -> Event | None:
    """Return an event, None if there is none."""
    return _events(db).find_one({"eventId": event_id}, EXCLUDED_FIELDS)


def find_to_copy(db: Db, event_id: int) -> CopiedEvent | None:
    """Return an event with all that a duplicate of it has, None if there is none."""
    found = db.events.find_one({"eventId": event_id}, EXCLUDED_IN_COPIES)
    return cast(CopiedEvent | None, found)


def find_events(db: Db, event_ids: Iterable[int]) -> list[Event]:
    """Return the events of these ids that exist, in no order."""
    ids = list(event_ids)
    # Asked for none of them, a server may read all events.
    return list(_events(db).find({"eventId": {"$in": ids}}, EXCLUDED_IN_LISTS)) if ids else []


def find_revisions(db: Db, event_ids: Iterable[int]) -> dict[int, int]:
    """Return the revision of each of these events that exists, by eventId."""
    where = {"eventId": {"$in": list(event_ids)}}
    found = db.events.find(where, {"_id": 0, "eventId": 1, "rev": 1})
    return {event["eventId"]: event["rev"] for event in cast(Iterable[EventRevision], found)}


def find_visibilities(db: Db, event_ids: Iterable[int]) -> dict[int, EventVisibility]:
    """Return the status and the organizer of each of these events that exists, by eventId."""
    where, fields = {"eventId": {"$in": list(event_ids)}}, ("eventId", "status", "organizerId")
    found = db.events.find(where, {"_id": 0, **dict.fromkeys(fields, 1)})
    return {event["eventId"]: event for event in cast(Iterable[EventVisibility], found)}


# What the in-memory index reads.


def count_listed(db: Db, limit: int) -> int:
    """Count the listed events, no further than `limit`."""
    return db.events.count_documents({"listed": True}, limit=limit)


def find_indexed_after(
    db: Db, event_id: int, *, limit: int, fields: Iterable[str]
) -> list[IndexedEvent]:
    """Return listed events with a higher eventId, by eventId.

    Args:
        fields: what to read of each in addition to BASE_INDEX_FIELDS.
    """
    where = {"listed": True, "eventId": {"$gt": event_id}}
    found = db.events.find(where, _make_index_projection(fields))
    return cast(list[IndexedEvent], list(found.sort("eventId", ASCENDING).limit(limit)))


def find_indexed(db: Db, event_ids: list[int], *, fields: Iterable[str]) -> list[IndexedEvent]:
    """Return these events, listed or not, if they exist; `fields` as for `find_indexed_after`."""
    found = db.events.find({"eventId": {"$in": event_ids}}, _make_index_projection(fields))
    return cast(list[IndexedEvent], list(found))


def _make_index_projection(fields: Iterable[str]) -> Query:
    return dict.fromkeys((*BASE_INDEX_FIELDS, *fields), 1)


# What the change feed reads.


def find_last_changed_at(db: Db) -> datetime:
    """Return when an event last changed, by the database's clock; NEVER_CHANGED without any."""
    newest = [("changedAt", DESCENDING)]
    last = [db[name].find_one({}, {"changedAt": 1}, sort=newest) for name in CHANGE_COLLECTIONS]
    times = (found.get("changedAt", NEVER_CHANGED) for found in last if found)
    return max(times, default=NEVER_CHANGED)


def find_changes_since(db: Db, collection: str, moment: datetime) -> list[EventChange]:
    """Return the changes in one of CHANGE_COLLECTIONS after this time, in no order."""
    found = db[collection].find({"changedAt": {"$gt": moment}}, CHANGE_FIELDS)
    return cast(list[EventChange], list(found))


# Cancelled events.


def find_closing(db: Db, limit: int, without: Sequence[object] = ()) -> list[ClosingEvent]:
    """Return cancelled events whose bookings have not all ended yet, the first cancelled first.

    Args:
        without: eventIds to leave out.
    """
    where = {"closing": {"$exists": True}, **exclude_ids(without, "eventId")}
    found = db.events.find(where, {"eventId": 1, "closing": 1}).sort("closing", ASCENDING)
    return cast(list[ClosingEvent], list(found.limit(limit)))


def clear_closing(db: Db, event_id: int) -> None:
    """Record that the bookings of a cancelled event have all ended.

    The revision stays: no answer shows this, and no guarded write relies on it.
    """
    db.events.update_one({"eventId": event_id}, {"$unset": {"closing": ""}})


# Reports to organizers.


def find_titles(db: Db, event_ids: Iterable[int]) -> dict[int, str]:
    """Return the titles of those of these events that exist, by eventId."""
    found = db.events.find({"eventId": {"$in": list(event_ids)}}, {"eventId": 1, "title": 1})
    return {event["eventId"]: event["title"] for event in found}


# Popularity. The increase of a score is no edit: `rev`, `__v` and `changedAt` stay.


class ScoresNotWritten(Exception):
    """The database refused to increase scores.

    Attributes:
        is_partial: only some were refused. The others are written, and must not be repeated.
    """

    def __init__(self, reason: str, *, is_partial: bool) -> None:
        super().__init__(reason)
        self.is_partial = is_partial


def increase_scores(db: Db, increases: Mapping[int, tuple[float, int]]) -> list[int]:
    """Increase the score and the views of events. Deleted events are skipped.

    Args:
        increases: for each eventId the scaled weight and the number of views to add.

    Returns:
        The eventIds whose increases need not be repeated: all of them, or none if the database is
        unavailable. In that case some may have been written.

    Raises:
        ScoresNotWritten: the database refused some or all of them.
    """
    writes = [_make_increase(event_id, *increase) for event_id, increase in increases.items()]
    try:
        db.events.bulk_write(writes, ordered=False)
    except PyMongoError as error:
        if is_unavailable(error):
            return []
        reason, is_partial = type(error).__name__, isinstance(error, BulkWriteError)
        raise ScoresNotWritten(reason, is_partial=is_partial) from error
    return list(increases)


def _make_increase(event_id: int, scaled: float, views: int) -> UpdateOne:
    """Return the update that does what `popularity.increase_score` does.

    The database computes it, because other processes may increase the same score at the same time.
    """
    score: Query = {"$ifNull": ["$popularity", 0.0]}
    larger: Query = {"$max": [score, scaled]}
    powers = [{"$pow": [2.0, _make_exponent(value, larger)]} for value in (score, scaled)]
    increased = {"$add": [larger, {"$log": [{"$add": powers}, 2]}]}
    all_views = {"$add": [{"$ifNull": ["$views", 0]}, views]}
    return UpdateOne(
        {"eventId": event_id}, [{"$set": {"popularity": increased, "views": all_views}}]
    )


def _make_exponent(value: Query | float, larger: Query) -> Query:
    """Return the expression `value - larger`, but no lower than MIN_EXPONENT."""
    return {"$max": [MIN_EXPONENT, {"$subtract": [value, larger]}]}
