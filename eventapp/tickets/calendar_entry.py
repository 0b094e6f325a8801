"""Render a booking as an iCalendar file (RFC 5545)."""

from datetime import timedelta
from email.utils import parseaddr

import icalendar
from bson import ObjectId

from eventapp.bookings import service as bookings
from eventapp.bookings.context import BookingContext
from eventapp.bookings.types import StoredBooking
from eventapp.core.access.actor import Actor
from eventapp.core.database import Db
from eventapp.events import service as events
from eventapp.events.types import Event, ScheduleEntry
from eventapp.notifications.types import Attachment

PRODID = "-//eventapp//bookings//EN"
# The STATUS of an entry by the status of its booking. A booking in any other status has ended.
STATUSES = {"held": "TENTATIVE", "confirmed": "CONFIRMED"}
CANCELLED = "CANCELLED"
PUBLISH, CANCEL = "PUBLISH", "CANCEL"
# The SEQUENCE of an entry whose event was deleted. It is the highest that fits into the 32 bits in
# which calendars store it, because no change follows.
LAST_SEQUENCE = 2**31 - 1


def build_attachment(context: BookingContext, booking_id: ObjectId, actor: Actor) -> Attachment:
    """Return the calendar entry of a booking for a mail; it removes the entry of an ended booking.

    Raises:
        BookingNotFound: there is no such booking, or it is another user's.
    """
    booking = bookings.find_own_booking(context, booking_id, actor)
    method = PUBLISH if booking["status"] in STATUSES else CANCEL
    reference, file = build_calendar(context, booking_id, actor, method)
    return Attachment(f"{reference}.ics", f"text/calendar; charset=utf-8; method={method}", file)


def build_calendar(
    context: BookingContext, booking_id: ObjectId, actor: Actor, method: str = PUBLISH
) -> tuple[str, bytes]:
    """Return the booking's reference, and an iCalendar file with an all-day entry on its date.

    The UID of the entry never changes. Each edit of the event, and the end of the booking, raises
    its SEQUENCE. A calendar that imports the file again then updates the entry.

    Args:
        method: PUBLISH, or CANCEL to make a calendar remove the entry (RFC 5546).

    Raises:
        BookingNotFound: there is no such booking, or it is another user's.
    """
    booking = bookings.find_own_booking(context, booking_id, actor)
    calendar = icalendar.Calendar()
    calendar.add("prodid", PRODID)
    calendar.add("version", "2.0")
    calendar.add("method", method)
    event = _find_event(context.db, booking)
    # A booking that has ended may be of an event that is a draft again. Then the entry shows what
    # the booking says.
    shown = event if event and events.may_see(event, actor) else None
    entry = _build_entry(booking, shown, _compute_sequence(booking, event))
    entry.add("organizer", f"mailto:{parseaddr(context.outbox.mail_from)[1]}")
    calendar.add_component(entry)
    file: bytes = calendar.to_ical()
    return booking["bookingReference"], file


def _find_event(db: Db, booking: StoredBooking) -> Event | None:
    try:
        return events.get_event(db, booking["eventId"])
    except events.EventNotFound:
        return None


def _build_entry(booking: StoredBooking, event: Event | None, sequence: int) -> icalendar.Event:
    """Return the entry of a booking.

    Args:
        event: what the caller may see of the event; None for a deleted one and a draft.
        sequence: the number of changes of the entry.
    """
    schedule_entry = _find_schedule_entry(booking, event)
    date_and_location = schedule_entry or booking
    day = date_and_location["date"].date()
    changed_at = booking["updatedAt"]
    if event:
        changed_at = max(changed_at, event["updatedAt"])
    properties: dict[str, object] = {
        "uid": f"{booking['_id']}@eventapp",
        "sequence": sequence,
        "status": STATUSES.get(booking["status"], CANCELLED),
        "summary": event["title"] if event else booking["eventTitle"],
        "description": _describe(booking),
        "location": date_and_location["location"],
        "dtstart": day,
        "dtend": day + timedelta(days=1),  # RFC 5545: the end of an all-day entry is exclusive
        "dtstamp": changed_at,
        "last-modified": changed_at,
        "created": booking["createdAt"],
        "transp": "TRANSPARENT",
    }
    if schedule_entry and "lat" in schedule_entry and "lng" in schedule_entry:
        properties["geo"] = (schedule_entry["lat"], schedule_entry["lng"])
    entry = icalendar.Event()
    for name, value in properties.items():
        entry.add(name, value)
    return entry


def _find_schedule_entry(booking: StoredBooking, event: Event | None) -> ScheduleEntry | None:
    """Return the present state of the booked schedule entry; None if none can be matched.

    A booking stores the date and the location of its entry, and an edit of the event may have
    changed both. The entries are matched by date and location, else by date, else by location. If
    none matches, the only entry of an event is taken.
    """
    schedule = event["schedule"] if event else []
    by_date = [each for each in schedule if each["date"] == booking["date"]]
    by_location = [each for each in schedule if each["location"] == booking["location"]]
    by_both = [each for each in by_date if each["location"] == booking["location"]]
    for candidates in (by_both, by_date, by_location):
        if candidates:
            return candidates[0]
    return schedule[0] if len(schedule) == 1 else None


def _compute_sequence(booking: StoredBooking, event: Event | None) -> int:
    if event is None:
        return LAST_SEQUENCE
    has_ended = booking["status"] not in STATUSES
    return event["__v"] + int(has_ended)


def _describe(booking: StoredBooking) -> str:
    items = ", ".join(f"{item['quantity']} x {item['type']}" for item in booking["items"])
    return f"{booking['bookingReference']}: {items}"
