"""Find events that users must be notified of, and record that they are notified.

An edit of a schedule records the change in `tell`, and in `tellAt` when it is due: at once. When
the ticket holders have been notified, `tellAt` becomes the time at which bookings that were in
flight during the edit are recorded, too. Both fields are removed after that.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from pymongo import ASCENDING

from eventapp.core.database import Db, Query, exclude_ids
from eventapp.events.types import LowTicketsEvent, RescheduledEvent

RESCHEDULED_FIELDS = dict.fromkeys(("eventId", "title", "schedule", "tell"), 1)
LOW_TICKETS_FIELDS = dict.fromkeys(
    (
        *("eventId", "title", "schedule", "nextDate", "listed"),
        *("ticketTypes.ticketTypeId", "ticketTypes.capacity", "ticketTypes.visibility"),
        *("ticketTypes.availableTickets", "ticketTypes.waiting", "quotas"),
    ),
    1,
)


def find_schedule_changes(
    db: Db, now: datetime, limit: int, without: Sequence[object] = ()
) -> list[RescheduledEvent]:
    """Return events with schedule changes that are due, the longest due first.

    Args:
        without: eventIds to leave out.
    """
    where = {"tellAt": {"$lte": now}, **exclude_ids(without, "eventId")}
    found = db.events.find(where, RESCHEDULED_FIELDS)
    return cast(list[RescheduledEvent], list(found.sort("tellAt", ASCENDING).limit(limit)))


def postpone_schedule_changes(db: Db, event: RescheduledEvent, until: datetime) -> None:
    """Set when the changes are due if there are none beyond those that were read."""
    unchanged = {"eventId": event["eventId"], "tell": event["tell"]}
    db.events.update_one(unchanged, {"$set": {"tellAt": until}})


def clear_schedule_changes(db: Db, event: RescheduledEvent) -> None:
    """Clear the recorded changes if there are none beyond those that were read."""
    unchanged = {"eventId": event["eventId"], "tell": event["tell"]}
    db.events.update_one(unchanged, {"$unset": {"tell": "", "tellAt": ""}})


def find_low_on_tickets(
    db: Db,
    changed_since: datetime,
    few: int,
    *,
    also: Sequence[object] = (),
    without: Sequence[object] = (),
) -> list[LowTicketsEvent]:
    """Return events changed at or after `changed_since` that may have few tickets left, unalerted.

    A public ticket type has 1 to `few` available tickets, or a quota has no more than that.

    The index of `changedAt` serves this query: few events changed lately, and many are listed.

    Args:
        also: eventIds of which events are returned too, whenever they changed.
        without: eventIds to leave out.
    """
    few_tickets = {"availableTickets": {"$gte": 1, "$lte": few}, "visibility": {"$exists": False}}
    few_left: list[Query] = [
        {"ticketTypes": {"$elemMatch": few_tickets}},
        {"quotas.availableTickets": {"$lte": few}},
    ]
    low: Query = {"available": {"$gte": 1}, "$or": few_left, "lowToldAt": {"$exists": False}}
    changed = {"changedAt": {"$gte": changed_since}, **exclude_ids(without, "eventId")}
    found = list(db.events.find({**changed, **low}, LOW_TICKETS_FIELDS).sort("changedAt"))
    if also:
        seen = [event["eventId"] for event in found]
        others = {"eventId": {"$in": list(also), "$nin": seen}}
        found += db.events.find({**others, **low}, LOW_TICKETS_FIELDS)
    return cast(list[LowTicketsEvent], found)


def set_low_alert_sent(db: Db, event_id: int, now: datetime) -> None:
    """Record that the alert of few tickets was sent."""
    db.events.update_one({"eventId": event_id}, {"$set": {"lowToldAt": now}})
