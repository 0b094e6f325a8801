"""Add to the mail of a booking, when it is sent, the key of its link and pictures of its QR codes.

Neither is stored with the mail. Whoever reads the database, a backup or an export gets no key that
opens a booking, and no code that is let in at the door.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from eventapp.core.access.booking_links import BookingLink, LinkKeys
from eventapp.core.database import Db
from eventapp.notifications.types import MailedBooking, QueuedMail

# Returns the QR codes of tickets of an event as PNG files, by ticketId.
DrawCodes: TypeAlias = Callable[[Db, int, Sequence[str], datetime], Mapping[str, bytes]]
# What follows the ticketId in the Content-ID of a picture. The HTML body names it by `cid:`.
CONTENT_ID_DOMAIN = "ticket.invalid"


@dataclass(frozen=True)
class Picture:
    """A picture that an HTML body shows.

    Attributes:
        content_id: by which the body names it, without the angle brackets.
        name: of the file.
        content: a PNG file.
    """

    content_id: str
    name: str
    content: bytes


def add_key(mail: QueuedMail, keys: LinkKeys) -> QueuedMail:
    """Return a mail whose links to the page of its booking open it without a login."""
    if "booking" not in mail:
        return mail
    booking = mail["booking"]
    page = booking["page"]
    link = f"{page}?key={keys.make(_make_link(mail, booking))}"
    return {
        **mail,
        "text": re.sub(rf"^{re.escape(page)}$", link, mail["text"], flags=re.MULTILINE),
        "html": mail["html"].replace(f'href="{page}"', f'href="{link}"'),
    }


def _make_link(mail: QueuedMail, booking: MailedBooking) -> BookingLink:
    return BookingLink(
        booking["bookingId"], mail["userId"], booking["linkVersion"], booking["credentialsVersion"]
    )


def draw_pictures(db: Db, mail: QueuedMail, draw_codes: DrawCodes, now: datetime) -> list[Picture]:
    """Return the QR codes of the tickets that a mail shows; none for a mail without tickets."""
    booking = mail.get("booking")
    if booking is None or not booking["ticketIds"]:
        return []
    files = draw_codes(db, booking["eventId"], booking["ticketIds"], now)
    return [
        Picture(make_content_id(ticket_id), f"{ticket_id}.png", content)
        for ticket_id, content in files.items()
    ]


def make_content_id(ticket_id: str) -> str:
    """Return the Content-ID of the picture of a ticket, without the angle brackets."""
    return f"{ticket_id}@{CONTENT_ID_DOMAIN}"
