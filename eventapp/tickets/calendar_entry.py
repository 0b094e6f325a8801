"""Render a booking as an iCalendar file (RFC 5545).

The UID of the entry of a booking never changes, and each change that a calendar should show raises
its SEQUENCE.
"""

from email.utils import parseaddr

from bson import ObjectId

from eventapp.bookings import service as bookings
from eventapp.bookings.booked_entries import find_entry, follow_entry
from eventapp.bookings.context import BookingContext
from eventapp.bookings.types import StoredBooking
from eventapp.core import calendar_files
from eventapp.core.access.actor import Actor
from eventapp.core.calendar_files import CANCELLED, CONFIRMED, TENTATIVE, Properties
from eventapp.core.database import Db
from eventapp.events import service as events
from eventapp.events.types import Event
from eventapp.notifications.types import Attachment

# The STATUS of an entry by the status of its booking. A booking in any other status has ended.
STATUSES = {"held": TENTATIVE, "confirmed": CONFIRMED}
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
    """Return the booking's reference, and an iCalendar file with its entry.

    The UID of the entry never changes. Each edit of the event, and each change of the booking's
    tickets, raises its SEQUENCE. A calendar that imports the file again then updates the entry.

    Args:
        method: PUBLISH, or CANCEL to make a calendar remove the entry (RFC 5546).

    Raises:
        BookingNotFound: there is no such booking, or it is another user's.
    """
    stored = bookings.find_own_booking(context, booking_id, actor)
    event = _find_event(context.db, stored)
    # A booking that has ended may be of an event that is a draft again. Then the entry shows what
    # the booking says.
    shown = event if event and events.may_see(event, actor) else None
    booking = follow_entry(stored, shown["schedule"] if shown else [])
    entry = build_entry(booking, shown, compute_sequence(stored, event))
    file = render_file(entry, method, organizer=parseaddr(context.outbox.mail_from)[1])
    return booking["bookingReference"], file


def render_file(entry: Properties, method: str, *, organizer: str) -> bytes:
    """Return a calendar file with this entry and the zone of its times.

    Args:
        organizer: the mail address of the entry's organizer.
    """
    organized = {**entry, "organizer": f"mailto:{organizer}"}
    return calendar_files.render_calendar({"method": method}, [organized])


def _find_event(db: Db, booking: StoredBooking) -> Event | None:
    try:
        return events.get_event(db, booking["eventId"])
    except events.EventNotFound:
        return None


def build_entry(booking: StoredBooking, event: Event | None, sequence: int) -> Properties:
    """Return the properties of the entry of a booking.

    Args:
        booking: as it is shown: see `follow_entry`.
        event: what the caller may see of the event; None for a deleted one and a draft.
        sequence: the number of changes of the entry.
    """
    changed_at = booking["updatedAt"]
    if event:
        changed_at = max(changed_at, event["updatedAt"])
    properties: dict[str, object] = {
        "uid": f"{booking['_id']}@eventapp",
        "sequence": sequence,
        "status": STATUSES.get(booking["status"], CANCELLED),
        "summary": event["title"] if event else booking["eventTitle"],
        "description": _describe(booking),
        "location": booking["location"],
        "dtstamp": changed_at,
        "last-modified": changed_at,
        "created": booking["createdAt"],
        **calendar_files.describe_times(
            booking["date"].date(),
            booking.get("startsAt"),
            booking.get("endsAt"),
            booking["timezone"],
        ),
    }
    schedule_entry = find_entry(booking, event["schedule"]) if event and booking["active"] else None
    if schedule_entry and "lat" in schedule_entry and "lng" in schedule_entry:
        properties["geo"] = (schedule_entry["lat"], schedule_entry["lng"])
    return properties


def compute_sequence(booking: StoredBooking, event: Event | None) -> int:
    """Return the SEQUENCE of a booking's entry.

    It grows with each edit of the event, with each change of the booking's tickets or money, and
    with the end of the booking. It never falls.

    Args:
        event: None if it was deleted.
    """
    if event is None:
        return LAST_SEQUENCE
    has_ended = booking["status"] not in STATUSES
    return event["__v"] + len(booking.get("entries", ())) + int(has_ended)


def _describe(booking: StoredBooking) -> str:
    items = ", ".join(f"{item['quantity']} x {item['type']}" for item in booking["items"])
    return f"{booking['bookingReference']}: {items}"
