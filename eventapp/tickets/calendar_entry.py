"""A booking as an entry of its holder's calendar."""

from datetime import timedelta
from typing import Any

import icalendar
from bson import ObjectId

from eventapp.bookings import service as bookings
from eventapp.bookings.context import BookingContext
from eventapp.core.access.actor import Actor
from eventapp.core.database import Db, Document
from eventapp.events import service as events

PRODID = "-//eventapp//bookings//EN"
STATUSES = {"held": "TENTATIVE", "confirmed": "CONFIRMED"}
CANCELLED = "CANCELLED"
# Nothing comes after the end of an event that is deleted; calendars take 32 bits.
LAST_SEQUENCE = 2**31 - 1


def calendar(context: BookingContext, booking_id: ObjectId, actor: Actor) -> tuple[str, bytes]:
    """The booking's reference, and an iCalendar of one entry: all day on the date booked.

    Its UID never changes and every edit of the event, and the end of the booking, raises its
    SEQUENCE, so that calendars that have it already take over what is new.

    Raises:
        BookingNotFound: there is none, or it is another's.
    """
    booking = bookings.own(context, booking_id, actor)
    return booking["bookingReference"], file_of(context.db, booking)


def file_of(db: Db, booking: Document) -> bytes:
    """The iCalendar of this booking."""
    found = icalendar.Calendar()
    found.add("prodid", PRODID)
    found.add("version", "2.0")
    found.add("method", "PUBLISH")
    found.add_component(_entry(booking, _event_of(db, booking)))
    file: bytes = found.to_ical()
    return file


def _event_of(db: Db, booking: Document) -> Document | None:
    try:
        return events.get(db, booking["eventId"])
    except events.EventNotFound:
        return None


def _entry(booking: Document, event: Document | None) -> icalendar.Event:
    place = _place(booking, event)
    day = place["date"].date()
    changed = max(booking["updatedAt"], (event or booking)["updatedAt"])
    fields: dict[str, Any] = {
        "uid": f"{booking['_id']}@eventapp",
        "sequence": _sequence(booking, event),
        "status": STATUSES.get(booking["status"], CANCELLED),
        "summary": (event or {}).get("title", booking["eventTitle"]),
        "description": _description(booking),
        "location": place["location"],
        "dtstart": day,
        "dtend": day + timedelta(days=1),  # the day after the last, as the format has it
        "dtstamp": changed,
        "last-modified": changed,
        "created": booking["createdAt"],
        "transp": "TRANSPARENT",
    }
    if "lat" in place and "lng" in place:
        fields["geo"] = (place["lat"], place["lng"])
    entry = icalendar.Event()
    for name, value in fields.items():
        entry.add(name, value)
    return entry


def _place(booking: Document, event: Document | None) -> Document:
    """The schedule entry that was booked, as it is now: the event may have been edited since.

    Bookings keep date and place. What both fit is it; else what has the date, or the place; an
    event's only entry is it in any case.
    """
    schedule: list[Document] = (event or {}).get("schedule", [])
    for kept in (("date", "location"), ("date",), ("location",)):
        same = [e for e in schedule if all(e[name] == booking[name] for name in kept)]
        if same:
            return same[0]
    return schedule[0] if len(schedule) == 1 else booking


def _sequence(booking: Document, event: Document | None) -> int:
    if event is None:
        return LAST_SEQUENCE
    edits: int = event["__v"]
    return edits + (booking["status"] not in STATUSES)


def _description(booking: Document) -> str:
    items = ", ".join(f"{item['quantity']} x {item['type']}" for item in booking["items"])
    return f"{booking['bookingReference']}: {items}"
