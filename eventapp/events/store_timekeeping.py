"""Find the events whose fields the time has made outdated, and update those fields."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import cast

from pymongo import ASCENDING

from eventapp.core.database import Db, exclude_ids
from eventapp.events.store import SET_CHANGED_AT
from eventapp.events.types import EventRevision, EventSchedule

# The date of an entry that is over is at most this far after the present time in UTC, because no
# zone is more than 14 hours ahead of it.
MAX_DATE_AHEAD = timedelta(hours=14)


def unlist_past(db: Db, today: datetime) -> None:
    """Take the events whose last date is before today off the public list."""
    db.events.update_many(
        {"listed": True, "lastDate": {"$lt": today}},
        {"$set": {"listed": False}, "$inc": {"rev": 1}, **SET_CHANGED_AT},
    )


def find_with_past_next_date(
    db: Db, today: datetime, without: Sequence[object] = ()
) -> list[EventSchedule]:
    """Return events, including drafts, with a `nextDate` before today and a later date.

    Args:
        without: eventIds to leave out.
    """
    where = {
        "lastDate": {"$gte": today},
        "nextDate": {"$lt": today},
        **exclude_ids(without, "eventId"),
    }
    found = db.events.find(where, {"eventId": 1, "rev": 1, "schedule": 1})
    return cast(list[EventSchedule], list(found))


def set_next_date_if_unchanged(db: Db, event: EventRevision, next_date: datetime) -> None:
    """Set `nextDate` if the event still has the revision that was read; an edit sets it anyway."""
    db.events.update_one(
        {"eventId": event["eventId"], "rev": event["rev"]},
        {"$set": {"nextDate": next_date}, "$inc": {"rev": 1}, **SET_CHANGED_AT},
    )


def find_published_over(
    db: Db, now: datetime, limit: int, without: Sequence[object] = ()
) -> list[EventRevision]:
    """Return published events of which every entry is over, by their last dates.

    The index of `lastDate` serves this query.

    Args:
        without: eventIds to leave out.
    """
    where = {
        "status": "published",
        "lastDate": {"$lte": now + MAX_DATE_AHEAD},
        "overAt": {"$lte": now},
        **exclude_ids(without, "eventId"),
    }
    found = db.events.find(where, {"eventId": 1, "rev": 1}).sort("lastDate", ASCENDING)
    return cast(list[EventRevision], list(found.limit(limit)))
