"""Find the events whose waitlists the worker makes offers from or closes."""

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from pymongo import ASCENDING

from eventapp.core.database import Db, Query, exclude_ids
from eventapp.inventory import store
from eventapp.inventory.types import AwaitedSchedule

WAITED_FOR: list[Query] = [{"ticketTypes.waiting": {"$gt": 0}}, {"quotas.waiting": {"$gt": 0}}]


def find_ids_to_offer(
    db: Db, now: datetime, limit: int, *, after: int = 0, without: Sequence[object] = ()
) -> list[int]:
    """Return the ids of events on sale with tickets or places of a quota that somebody waits for.

    Args:
        now: the time by the database's clock, with which the ends of schedule entries and sale
            windows are compared.
        after: the eventIds returned are above this one.
        without: eventIds to leave out.

    Returns:
        The lowest eventIds, in order.
    """
    counting = {"waiting": {"$gt": 0}, "availableTickets": {"$gt": 0}}
    on_sale = {"salesFrom": {"$not": {"$gt": now}}, "salesUntil": {"$not": {"$lte": now}}}
    where = {
        "hadWaitlist": True,
        **store.build_on_sale_guard(now),
        "$or": [
            {"ticketTypes": {"$elemMatch": {**counting, **on_sale}}},
            {"quotas": {"$elemMatch": counting}},
        ],
        "eventId": {"$gt": after, **exclude_ids(without, "eventId").get("eventId", {})},
    }
    found = db.events.find(where, {"eventId": 1}).sort("eventId", ASCENDING).limit(limit)
    return [event["eventId"] for event in found]


def find_schedules_with_entry_over(
    db: Db, now: datetime, limit: int, *, after: int, without: Sequence[object] = ()
) -> list[AwaitedSchedule]:
    """Return published events of which a schedule entry is over, and for which somebody waits.

    Not necessarily for that entry.

    Args:
        after: the eventIds returned are above this one.
        without: eventIds to leave out.

    Returns:
        The events with the lowest eventIds, in order.
    """
    where = {
        "hadWaitlist": True,
        "status": "published",
        "$or": WAITED_FOR,
        "schedule": {"$elemMatch": {"overAt": {"$lte": now}}},
        "eventId": {"$gt": after, **exclude_ids(without, "eventId").get("eventId", {})},
    }
    found = db.events.find(where, {"eventId": 1, "schedule": 1, "queues": 1})
    return cast(list[AwaitedSchedule], list(found.sort("eventId", ASCENDING).limit(limit)))


def find_ended_ids_with_waitlist(db: Db, limit: int, without: Sequence[object] = ()) -> list[int]:
    """Return the ids of cancelled and completed events for which somebody still waits.

    Args:
        without: eventIds to leave out.
    """
    ended = {"$in": ["cancelled", "completed"]}
    where = {
        "hadWaitlist": True,
        "status": ended,
        "$or": WAITED_FOR,
        **exclude_ids(without, "eventId"),
    }
    found = db.events.find(where, {"eventId": 1}).sort("eventId", ASCENDING).limit(limit)
    return [event["eventId"] for event in found]
