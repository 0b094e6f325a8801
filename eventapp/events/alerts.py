"""What is to be told of events: a changed date or place, few tickets left of a favorite."""

from datetime import datetime
from typing import Any

from eventapp.accounts import service as accounts
from eventapp.core.clock import advancing_clock
from eventapp.core.database import Db, Document
from eventapp.events import rules, store_alerts
from eventapp.favorites import service as favorites
from eventapp.notifications import service as notifications
from eventapp.notifications.types import NewNotification, Recipient

AT_ONCE = 200


def untold(db: Db, limit: int) -> list[Document]:
    """Events whose schedule changed and whose holders are not told yet."""
    return store_alerts.untold(db, limit)


def told(db: Db, event: Document) -> None:
    """The change is told; one that came since the event was read stays noted."""
    store_alerts.told(db, event)


def takes_place(event: Document, date: datetime, location: str) -> bool:
    """True where the event's schedule has this date at this place."""
    return rules.takes_place(event, date, location)


def shown_schedule(event: Document) -> list[dict[str, Any]]:
    """`{date, location}` of each entry, dates as text."""
    return [
        {"date": entry["date"].date().isoformat(), "location": entry["location"]}
        for entry in event["schedule"]
    ]


def warn_of_few(db: Db, base_url: str, since: datetime, now: datetime) -> int:
    """Tell who has an event as a favorite, once an event, that few tickets are left; how many.

    Args:
        since: events that did not change since then are not looked at.
    """
    clock, warned = advancing_clock(now), 0
    for event in store_alerts.low(db, since, rules.FEW_TICKETS):
        if rules.is_low(event):
            warned += _warn_of(db, base_url, event, clock())
            store_alerts.warned(db, event["eventId"], now)
    return warned


def _warn_of(db: Db, base_url: str, event: Document, now: datetime) -> int:
    fans, warned = favorites.users_with(db, event["eventId"]), 0
    for start in range(0, len(fans), AT_ONCE):
        people = accounts.find_contacts(db, fans[start : start + AT_ONCE])
        notices = [_warning(event, person, now) for person in people.values()]
        warned += notifications.notify(db, base_url, notices, now)
    return warned


def _warning(event: Document, person: Recipient, now: datetime) -> NewNotification:
    entry = min(event["schedule"], key=lambda e: (e["date"] < event["nextDate"], e["date"]))
    return NewNotification(
        key=f"low:{event['eventId']}:{rules.FEW_TICKETS}:{person.id}",
        kind="low_tickets",
        recipient=person,
        occurred_at=now,
        data={
            "eventId": event["eventId"],
            "eventTitle": event["title"],
            "date": entry["date"].date().isoformat(),
            "location": entry["location"],
            "quantity": event["available"],
        },
    )


def of_organizers(db: Db, after: int, since: datetime, limit: int) -> list[Document]:
    """`{eventId, title, organizerId}` by eventId, of events that could be booked since then."""
    return store_alerts.of_organizers(db, after, since, limit)
