"""Find the schedules of events."""

from collections.abc import Iterable
from typing import cast

from eventapp.core.database import Db
from eventapp.events.types import EventSchedule, ScheduleEntry


def find_schedules(db: Db, event_ids: Iterable[int]) -> dict[int, list[ScheduleEntry]]:
    """Return the schedules of those of these events that exist, by eventId."""
    found = db.events.find({"eventId": {"$in": list(event_ids)}}, {"eventId": 1, "schedule": 1})
    return {event["eventId"]: event["schedule"] for event in cast(Iterable[EventSchedule], found)}
