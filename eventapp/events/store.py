"""The events collection: single reads and guarded writes. `store_list` has the lists."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, cast

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, TEXT, IndexModel, ReturnDocument
from pymongo.errors import DuplicateKeyError

from eventapp.core.database import Db, Document
from eventapp.events.types import EventChange

# Words of the title weigh most, then tags: what people search for is what they remember.
TEXT_WEIGHTS = {"title": 10, "tags": 5, "description": 1}


def _listed(name: str, *keys: tuple[str, int]) -> IndexModel:
    return IndexModel([("listed", ASCENDING), *keys], name=name)


INDEXES = {
    "events": [
        IndexModel([("eventId", ASCENDING)], name="eventId", unique=True),
        _listed("listed_eventId", ("eventId", ASCENDING)),
        _listed("listed_title", ("titleKey", ASCENDING), ("eventId", ASCENDING)),
        _listed("listed_date", ("nextDate", ASCENDING), ("eventId", ASCENDING)),
        _listed("listed_price", ("minPrice", ASCENDING), ("eventId", ASCENDING)),
        _listed("listed_popularity", ("popularity", ASCENDING), ("eventId", ASCENDING)),
        _listed("listed_category", ("category", ASCENDING), ("eventId", ASCENDING)),
        _listed("listed_places", ("places", ASCENDING), ("eventId", ASCENDING)),
        _listed("listed_tags", ("tagKeys", ASCENDING), ("eventId", ASCENDING)),
        _listed("listed_days", ("schedule.date", ASCENDING)),
        IndexModel([("lastDate", ASCENDING)], name="lastDate"),
        IndexModel([("closing", ASCENDING)], name="closing", sparse=True),
        IndexModel([("organizerId", ASCENDING), ("eventId", ASCENDING)], name="organizer"),
        IndexModel([("public", ASCENDING), ("eventId", ASCENDING)], name="public_eventId"),
        IndexModel(
            [("title", TEXT), ("description", TEXT), ("tags", TEXT)],
            name="words",
            weights=TEXT_WEIGHTS,
        ),
        IndexModel([("changedAt", ASCENDING)], name="changedAt"),
    ],
    "goneEvents": [
        IndexModel([("changedAt", ASCENDING)], name="changedAt", expireAfterSeconds=86400)
    ],
}
# Every visible change notes when it happened, by which the processes hear of each other's.
CHANGES = ("events", "goneEvents")
NEWEST = [("changedAt", DESCENDING)]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOTED = {"$currentDate": {"changedAt": True}}
CHANGE_FIELDS = {
    "eventId": 1,
    "rev": 1,
    "__v": 1,
    "changedAt": 1,
    "gone": 1,
    "ticketTypes.availableTickets": 1,
}
# What an index of the public list is made of.
INDEXED = dict.fromkeys(
    (
        *("eventId", "listed", "__v", "title", "description", "tags", "category", "organizerId"),
        *("places", "tagKeys", "schedule.date", "lastDate"),
        *("ticketTypes.price", "ticketTypes.availableTickets"),
    ),
    1,
)
# What no answer shows, left out of reads that only show.
HIDDEN = {"inFlight": 0, "places": 0, "tagKeys": 0}


def ensure_counter(db: Db) -> None:
    """Let new eventIds start after the highest in use."""
    db.counters.update_one({"_id": "eventId"}, {"$max": {"value": highest_id(db)}}, upsert=True)


def highest_id(db: Db) -> int:
    """The highest eventId in use, 0 where there is none."""
    last: Document | None = db.events.find_one({}, {"eventId": 1}, sort=[("eventId", DESCENDING)])
    return last["eventId"] if last else 0


def take_event_ids(db: Db, count: int = 1) -> range:
    """`count` eventIds never given before and never given again."""
    # No upsert: two of them at once, on a counter that is not there, both begin at 1 on the engine.
    counter: Any = None
    while counter is None:
        counter = db.counters.find_one_and_update(
            {"_id": "eventId"},
            {"$inc": {"value": count}},
            return_document=ReturnDocument.AFTER,
        )
        if counter is None:
            ensure_counter(db)
    return range(counter["value"] - count + 1, counter["value"] + 1)


def insert(db: Db, event: Document) -> Document:
    """Insert under a fresh eventId. Events brought in by hand may hold it: then the next free."""
    event.setdefault("_id", ObjectId())
    while True:
        event["eventId"] = take_event_ids(db)[0]
        # By the database's clock alone: by one that is ahead, later changes would seem heard of.
        fields = {name: event[name] for name in event if name not in ("_id", "changedAt")}
        try:
            db.events.update_one(
                {"_id": event["_id"]}, {"$setOnInsert": fields, **NOTED}, upsert=True
            )
        except DuplicateKeyError:
            ensure_counter(db)
            continue
        return event


def insert_many(db: Db, events: list[Document]) -> None:
    """Insert events that have their eventIds, in one batch."""
    db.events.insert_many(events, ordered=False)


def get(db: Db, event_id: int) -> Document | None:
    found: Document | None = db.events.find_one({"eventId": event_id}, HIDDEN)
    return found


def get_many(db: Db, event_ids: Iterable[int]) -> list[Document]:
    """The events of these ids that exist, in no order."""
    return list(db.events.find({"eventId": {"$in": list(event_ids)}}, HIDDEN))


def count_listed(db: Db, up_to: int) -> int:
    return db.events.count_documents({"listed": True}, limit=up_to)


def indexed_after(db: Db, event_id: int, limit: int) -> list[Document]:
    """What is INDEXED of the listed events that come after this eventId, in order."""
    later = {"listed": True, "eventId": {"$gt": event_id}}
    return list(db.events.find(later, INDEXED).sort("eventId", ASCENDING).limit(limit))


def indexed_of(db: Db, event_ids: list[int]) -> list[Document]:
    """The same of these events, listed or not."""
    return list(db.events.find({"eventId": {"$in": event_ids}}, INDEXED))


def write_if_unchanged(
    db: Db, event: Document, fields: dict[str, Any], *, unset: Iterable[str] = ()
) -> Document | None:
    """Set `fields` where the event is still the one that was read (by its `rev`).

    Every write of an event, a sale too, raises `rev`; so an edit never overwrites a sale.

    Returns:
        The event after the write, or None, with nothing written, when it changed meanwhile.
    """
    change: dict[str, Any] = {"$set": fields, "$inc": {"rev": 1, "__v": 1}, **NOTED}
    if unset:
        change["$unset"] = dict.fromkeys(unset, "")
    after: Document | None = db.events.find_one_and_update(
        {"eventId": event["eventId"], "rev": event["rev"]},
        change,
        projection=HIDDEN,
        return_document=ReturnDocument.AFTER,
    )
    return after


def delete_if_unchanged(db: Db, event: Document) -> bool:
    """Delete where the event is still the one that was read; False when it changed meanwhile."""
    same = {"eventId": event["eventId"], "rev": event["rev"]}
    if db.events.delete_one(same).deleted_count == 0:
        return False
    note = {"eventId": event["eventId"], "rev": event["rev"] + 1, "gone": True}
    db.goneEvents.update_one({"_id": event["eventId"]}, {"$set": note, **NOTED}, upsert=True)
    return True


def last_change(db: Db) -> datetime:
    """When an event last changed, by the database's clock; long ago where there is none."""
    last = [db[name].find_one({}, {"changedAt": 1}, sort=NEWEST) for name in CHANGES]
    return max((found.get("changedAt", EPOCH) for found in last if found), default=EPOCH)


def changed_since(db: Db, name: str, moment: datetime) -> list[EventChange]:
    """Return the changes of one of CHANGES whose changedAt is later than `moment`, in no order."""
    found = db[name].find({"changedAt": {"$gt": moment}}, CHANGE_FIELDS)
    return cast(list[EventChange], list(found))


def unlist_past(db: Db, today: datetime) -> None:
    """Take events whose last entry is over off the public list."""
    db.events.update_many(
        {"listed": True, "lastDate": {"$lt": today}},
        {"$set": {"listed": False}, "$inc": {"rev": 1}, **NOTED},
    )


def with_passed_next_date(db: Db, today: datetime) -> list[Document]:
    """Events, drafts too, whose `nextDate` is over although a later entry is to come."""
    passed = {"lastDate": {"$gte": today}, "nextDate": {"$lt": today}}
    return list(db.events.find(passed, {"eventId": 1, "rev": 1, "schedule": 1}))


def set_next_date(db: Db, event: Document, next_date: datetime) -> None:
    """Set it, unless the event changed meanwhile: an edit has set it itself, a sale has not."""
    db.events.update_one(
        {"eventId": event["eventId"], "rev": event["rev"]},
        {"$set": {"nextDate": next_date}, "$inc": {"rev": 1}, **NOTED},
    )


def published_before(db: Db, today: datetime) -> list[Document]:
    """Published events whose last entry is over."""
    past = {"status": "published", "lastDate": {"$lt": today}}
    return list(db.events.find(past, {"eventId": 1, "rev": 1}))


def closing(db: Db) -> list[Document]:
    return list(db.events.find({"closing": {"$exists": True}}, {"eventId": 1, "closing": 1}))


def closed(db: Db, event_id: int) -> None:
    db.events.update_one({"eventId": event_id}, {"$unset": {"closing": ""}, "$inc": {"rev": 1}})
