"""What the mail of a confirmed booking carries: the codes of its tickets, and a calendar entry."""

from datetime import datetime

from eventapp.bookings.context import BookingContext
from eventapp.core.access.actor import Actor
from eventapp.core.database import Document
from eventapp.notifications.types import Attachment
from eventapp.tickets import calendar_entry, service


def build_ticket_attachments(
    context: BookingContext, booking: Document, now: datetime
) -> tuple[list[str], tuple[Attachment, ...]]:
    """The codes, one a seat, and the files, as the booking's holder would be given them.

    Raises:
        BookingNotFound: the holder is gone since the booking was read.
    """
    holder = Actor(booking["userId"])
    tickets = service.of_booking(context, booking["_id"], holder, now)
    reference, calendar = calendar_entry.calendar(context, booking["_id"], holder)
    entry = Attachment(f"{reference}.ics", "text/calendar", calendar)
    return [ticket["code"] for ticket in tickets], (entry,)
