"""Find the events of an older schema version, and write what the new one adds."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeAlias, TypedDict, cast

from pymongo import ASCENDING, UpdateOne

from eventapp.core.database import Db, Query, exclude_ids
from eventapp.events.store import SET_CHANGED_AT
from eventapp.events.types import (
    DerivedTextFields,
    EventRevision,
    RefoldedEvent,
    ScheduleEntry,
    UnmigratedEvent,
)

_FIELDS = dict.fromkeys(("eventId", "rev", "schedule", "nextScheduleId", "overAt"), 1)
# What `rules.derive_text_fields` reads and computes.
_TEXT_FIELDS = dict.fromkeys(
    (
        *("eventId", "rev", "title", "schedule.location", "tags", "organizer", "description"),
        *("titleKey", "places", "tagKeys", "searchTexts", "searchPrefixes"),
    ),
    1,
)
# An event, and its texts as this version folds them.
RefoldedTexts: TypeAlias = tuple[EventRevision, DerivedTextFields]


class ScheduleFields(TypedDict):
    """The fields of an event that later schema versions add or change."""

    schedule: list[ScheduleEntry]
    nextScheduleId: int
    overAt: datetime


def find_unmigrated(
    db: Db, event_id: int, limit: int, without: Sequence[object] = ()
) -> list[UnmigratedEvent]:
    """Return the next events after this eventId that an older version stored, in order.

    Version 1 stored no `overAt`, and versions before 7 no `locationKey` in the schedule.

    Args:
        without: eventIds to leave out.
    """
    where: Query = {
        "eventId": {"$gt": event_id, **exclude_ids(without, "eventId").get("eventId", {})},
        "schedule": {"$exists": True},
        "$or": [
            {"overAt": None},
            {"schedule": {"$elemMatch": {"locationKey": {"$exists": False}}}},
        ],
    }
    found = db.events.find(where, _FIELDS).sort("eventId", ASCENDING).limit(limit)
    return cast(list[UnmigratedEvent], list(found))


def write_if_unchanged(db: Db, changes: Sequence[tuple[UnmigratedEvent, ScheduleFields]]) -> int:
    """Set the fields of the events that still have the revision that was read; return how many.

    The change of an event of version 1 counts as an edit, because answers show it.
    """
    writes = [
        UpdateOne(
            {"eventId": event["eventId"], "rev": event["rev"]},
            {
                "$set": fields,
                "$inc": {"rev": 1, "terms": 1, **({} if "overAt" in event else {"__v": 1})},
                **SET_CHANGED_AT,
            },
        )
        for event, fields in changes
    ]
    return db.events.bulk_write(writes, ordered=False).modified_count


def find_texts(
    db: Db, event_id: int, limit: int, without: Sequence[object] = ()
) -> list[RefoldedEvent]:
    """Return the next events after this eventId, in order, with their texts.

    Args:
        without: eventIds to leave out.
    """
    excluded = exclude_ids(without, "eventId").get("eventId", {})
    where: Query = {"eventId": {"$gt": event_id, **excluded}}
    found = db.events.find(where, _TEXT_FIELDS).sort("eventId", ASCENDING).limit(limit)
    return cast(list[RefoldedEvent], list(found))


def write_texts_if_unchanged(db: Db, changes: Sequence[RefoldedTexts]) -> int:
    """Set the folded texts of the events that still have the revision that was read.

    No answer shows these fields, so the change counts as no edit.

    Returns:
        How many events there were, also if some have changed since.
    """
    writes = [
        UpdateOne(
            {"eventId": event["eventId"], "rev": event["rev"]},
            {"$set": texts, "$inc": {"rev": 1}, **SET_CHANGED_AT},
        )
        for event, texts in changes
    ]
    if writes:
        db.events.bulk_write(writes, ordered=False)
    return len(writes)
