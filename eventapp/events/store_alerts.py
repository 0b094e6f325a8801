"""Reads and writes of events for the alert jobs.

`tell` and `tellAt` are set by the edit that changes a schedule, in the same write.
"""

from datetime import datetime
from typing import cast

from pymongo import ASCENDING, IndexModel

from eventapp.core.database import Db, Query
from eventapp.events.types import AlertEvent, LowTicketsEvent, OrganizerEvent

INDEXES = {"events": [IndexModel([("tellAt", ASCENDING)], name="tell", sparse=True)]}
ALERT_FIELDS = {"eventId": 1, "title": 1, "schedule": 1, "tell": 1}
LOW_TICKETS_FIELDS = {
    "eventId": 1,
    "title": 1,
    "schedule": 1,
    "nextDate": 1,
    "available": 1,
    "listed": 1,
    "ticketTypes.capacity": 1,
}


def find_schedule_changes(db: Db, limit: int) -> list[AlertEvent]:
    """Return events with schedule changes that are not notified yet, the oldest change first."""
    found = db.events.find({"tellAt": {"$exists": True}}, ALERT_FIELDS)
    return cast(list[AlertEvent], list(found.sort("tellAt", ASCENDING).limit(limit)))


def clear_schedule_changes(db: Db, event: AlertEvent) -> None:
    """Clear the recorded changes if there are none beyond those that were read."""
    unchanged = {"eventId": event["eventId"], "tell": event["tell"]}
    db.events.update_one(unchanged, {"$unset": {"tell": "", "tellAt": ""}})


def find_low_on_tickets(db: Db, since: datetime, few: int) -> list[LowTicketsEvent]:
    """Return events that changed since then, have 1 to `few` tickets left, and had no alert.

    The index of `changedAt` serves this query: few events changed lately, and many are listed.
    """
    where: Query = {
        "changedAt": {"$gte": since},
        "available": {"$gte": 1, "$lte": few},
        "lowToldAt": {"$exists": False},
    }
    return cast(list[LowTicketsEvent], list(db.events.find(where, LOW_TICKETS_FIELDS)))


def set_low_alert_sent(db: Db, event_id: int, now: datetime) -> None:
    """Record that the alert of few tickets was sent."""
    db.events.update_one({"eventId": event_id}, {"$set": {"lowToldAt": now}})


def find_organizer_events(
    db: Db, after_id: int, since: datetime, limit: int
) -> list[OrganizerEvent]:
    """Return events with an organizer and a last date not before `since`, by eventId."""
    where: Query = {
        "eventId": {"$gt": after_id},
        "organizerId": {"$ne": None},
        "lastDate": {"$gte": since},
    }
    found = db.events.find(where, {"eventId": 1, "title": 1, "organizerId": 1})
    return cast(list[OrganizerEvent], list(found.sort("eventId", ASCENDING).limit(limit)))
