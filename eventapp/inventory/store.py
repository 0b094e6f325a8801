"""The guarded writes that move tickets. Each is one update of one event document.

A mark in `inFlight` names what is under way, so that a crash at any point can be settled:
`<bookingId>` a take, `give-<bookingId>` and `confirm-<bookingId>` a move of tickets back or from
held to sold, `wait-<entryId>` and `leave-<entryId>` a change of `waiting`.
`marksSince` is no later than the oldest mark: by it the worker finds what stands still. `struck`
counts the writes that struck out marks of moves: a writer that saw no mark, and then slept while
the move was made by another and its mark struck out, sees by it that it came too late.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, IndexModel, ReturnDocument

from eventapp.core.database import Db, Document

INDEXES = {
    "events": [
        IndexModel([("marksSince", ASCENDING)], name="marks", sparse=True),
        IndexModel([("hadWaitlist", ASCENDING)], name="waited_for", sparse=True),
    ]
}
SALE_FIELDS = {
    "eventId": 1,
    "title": 1,
    "status": 1,
    "lastDate": 1,
    "schedule": 1,
    "ticketTypes": 1,
    "organizerId": 1,
    "hadWaitlist": 1,
    "rev": 1,
    "__v": 1,
}
MARK_FIELDS = {**SALE_FIELDS, "available": 1, "inFlight": 1, "rev": 1, "marksSince": 1, "struck": 1}
# What the marks of moves start with: unlike those of takes, they guard by not being there.
MOVES = ("give-", "confirm-", "leave-")

# {index of the ticket type: {amount: change}}
Changes = Mapping[int, Mapping[str, int]]


def read(db: Db, event_id: int) -> Document | None:
    """The event's state of sale, as it is now."""
    found: Document | None = db.events.find_one({"eventId": event_id}, SALE_FIELDS)
    return found


def read_with_marks(db: Db, event_id: int) -> Document | None:
    """The event's state of sale and what is under way."""
    found: Document | None = db.events.find_one({"eventId": event_id}, MARK_FIELDS)
    return found


def after(db: Db, event_id: int, limit: int) -> list[Document]:
    """The events that come after this eventId, with what is under way."""
    later = db.events.find({"eventId": {"$gt": event_id}}, MARK_FIELDS)
    return list(later.sort("eventId", ASCENDING).limit(limit))


def change(
    db: Db,
    event: Document,
    changes: Changes,
    *,
    guards: Document,
    marks: Mapping[str, Document] | None = None,
    unmark: Iterable[str] = (),
    fields: Document | None = None,
    now: datetime,
) -> Document | None:
    """Change amounts of ticket types in one write, where they still stand where `event` says.

    Args:
        changes: what to add to which amounts; never what would make one negative.
        guards: further conditions of the write.
        marks: what to note in `inFlight`, by its key; `unmark` what to strike out there.
        fields: what else to set on the event.

    Returns:
        The event's state of sale after the write; None, with nothing written, where a guard fails.
    """
    where: Document = {"eventId": event["eventId"], **guards}
    for index in changes:
        path = f"ticketTypes.{index}.ticketTypeId"
        where[path] = event["ticketTypes"][index]["ticketTypeId"]
    update: Document = {
        "$inc": {**_increments(changes), "rev": 1},
        "$currentDate": {"changedAt": True},
    }
    settings = {**(fields or {}), **{f"inFlight.{k}": mark for k, mark in (marks or {}).items()}}
    if settings:
        update["$set"] = settings
    if marks:
        update["$min"] = {"marksSince": now}
    struck = list(unmark)
    if struck:
        update["$unset"] = {f"inFlight.{key}": "" for key in struck}
        update["$inc"] |= _count_struck(struck)
    after: Document | None = db.events.find_one_and_update(
        where, update, projection=SALE_FIELDS, return_document=ReturnDocument.AFTER
    )
    return after


def _increments(changes: Changes) -> dict[str, int]:
    increments = {
        f"ticketTypes.{index}.{amount}": step
        for index, steps in changes.items()
        for amount, step in steps.items()
        if step
    }
    available = sum(steps.get("availableTickets", 0) for steps in changes.values())
    return {**increments, "available": available} if available else increments


def marked(key: str) -> Document:
    """The guard that this mark is there."""
    return {f"inFlight.{key}": {"$exists": True}}


def never_marked(event: Document, keys: Iterable[str]) -> Document:
    """The guard that none of these marks came, even to go again, since the event was read."""
    absent: Document = {f"inFlight.{key}": {"$exists": False} for key in keys}
    return {**absent, "struck": event.get("struck")}


def _count_struck(keys: Iterable[str]) -> dict[str, int]:
    moves = any(key.startswith(MOVES) for key in keys)
    return {"struck": 1} if moves else {}


def strike(db: Db, event_id: int, keys: Sequence[str]) -> None:
    """Strike out marks of what is done."""
    gone = {f"inFlight.{key}": "" for key in keys}
    counts = {"rev": 1, **_count_struck(keys)}
    db.events.update_one({"eventId": event_id}, {"$unset": gone, "$inc": counts})


def with_marks_before(db: Db, moment: datetime, limit: int) -> list[int]:
    """The eventIds with a mark that may be older."""
    found = db.events.find({"marksSince": {"$lt": moment}}, {"eventId": 1}).limit(limit)
    return [event["eventId"] for event in found]


def set_marks_since(db: Db, event: Document, oldest: datetime | None) -> None:
    """Move `marksSince` up where the event is unchanged since it was read."""
    same = {"eventId": event["eventId"], "rev": event["rev"]}
    if oldest is None:
        db.events.update_one({**same, "inFlight": {}}, {"$unset": {"marksSince": ""}})
    else:
        db.events.update_one(same, {"$set": {"marksSince": oldest}})


def waited_for(db: Db, limit: int) -> list[int]:
    """Events on sale with tickets of a type that someone waits for."""
    kind = {"waiting": {"$gt": 0}, "availableTickets": {"$gt": 0}}
    where = {"hadWaitlist": True, "status": "published", "ticketTypes": {"$elemMatch": kind}}
    return [event["eventId"] for event in db.events.find(where, {"eventId": 1}).limit(limit)]


def waited_for_in_vain(db: Db, limit: int) -> list[int]:
    """Events that are over, one way or another, and that someone waits for."""
    over = {"$in": ["cancelled", "completed"]}
    where = {"hadWaitlist": True, "status": over, "ticketTypes.waiting": {"$gt": 0}}
    return [event["eventId"] for event in db.events.find(where, {"eventId": 1}).limit(limit)]


def settle_amounts(db: Db, event: Document, fields: dict[str, Any]) -> bool:
    """Set amounts outright, for repairs; False where the event changed since it was read."""
    same = {"eventId": event["eventId"], "rev": event["rev"]}
    result = db.events.update_one(
        same, {"$set": fields, "$inc": {"rev": 1}, "$currentDate": {"changedAt": True}}
    )
    return result.modified_count == 1
