"""What the mail of a confirmed booking carries: the codes of its tickets, and a calendar entry."""

from datetime import datetime

from eventapp.bookings.service import Shop
from eventapp.core.mongo import Document
from eventapp.core.security import Actor
from eventapp.notifications.service import Attachment
from eventapp.tickets import service, service_calendar


def papers(
    shop: Shop, booking: Document, now: datetime
) -> tuple[list[str], tuple[Attachment, ...]]:
    """The codes, one a seat, and the files, as the booking's holder would be given them.

    Raises:
        BookingNotFound: the holder is gone since the booking was read.
    """
    holder = Actor(booking["userId"])
    tickets = service.of_booking(shop, booking["_id"], holder, now)
    reference, calendar = service_calendar.calendar(shop, booking["_id"], holder)
    entry = Attachment(f"{reference}.ics", "text/calendar", calendar)
    return [ticket["code"] for ticket in tickets], (entry,)
