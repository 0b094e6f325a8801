"""What goes with the mail of a confirmed booking: its codes, their pictures, the calendar entry."""

from datetime import datetime

from eventapp.core.mongo import Db, Document
from eventapp.notifications.service import Attachment
from eventapp.tickets import rules, service, service_calendar
from eventapp.tickets.service_key import key_of

MAX_PICTURES = 10


def papers(db: Db, booking: Document, now: datetime) -> tuple[list[str], tuple[Attachment, ...]]:
    """The codes of a booking, and files: a picture of each (of ten at most), and the calendar."""
    key = key_of(db, now)
    codes = [key.code(booking["eventId"], seat.ticket_id) for seat, _ in rules.seats(booking)]
    pictures = [
        Attachment(f"ticket-{number}.png", "image/png", service.drawn(code, service.PNG))
        for number, code in enumerate(codes[:MAX_PICTURES], 1)
    ]
    calendar = service_calendar.file_of(db, booking)
    name = f"{booking['bookingReference']}.ics"
    return codes, (*pictures, Attachment(name, "text/calendar", calendar))
