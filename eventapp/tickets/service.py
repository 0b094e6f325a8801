"""List the tickets of a booking, draw their QR codes, and attach them to mails."""

import io
from collections.abc import Sequence
from datetime import datetime

import segno
from bson import ObjectId

from eventapp.bookings import service as bookings
from eventapp.bookings.context import BookingContext, current_booking_context
from eventapp.bookings.types import StoredBooking
from eventapp.core.access.actor import Actor
from eventapp.core.database import Db
from eventapp.core.json import JsonObject
from eventapp.notifications.types import Attachment, MailTicket
from eventapp.tickets import calendar_entry, rules, store
from eventapp.tickets.errors import TicketNotFound
from eventapp.tickets.signing_key import TicketKey, load_key
from eventapp.tickets.types import HolderTicket, PictureFormat, TicketView

# For the routes of tickets, which may not import other features.
__all__ = ["current_booking_context"]

# Error correction level M: about 15 % of the QR code may be unreadable. A QR module, one square of
# the code, is 8 pixels wide. The border is the quiet zone that the standard demands: 4 QR modules.
ERROR_CORRECTION, SCALE, BORDER = "m", 8, 4


def list_tickets(
    context: BookingContext, booking_id: ObjectId, actor: Actor, now: datetime
) -> list[HolderTicket]:
    """Return the tickets of the caller's booking; none unless it is confirmed.

    Raises:
        BookingNotFound: there is no such booking, or it is another user's.
    """
    booking = bookings.find_own_booking(context, booking_id, actor)
    key = load_key(context.db, now)
    attendees = {each["ticketId"]: each for each in bookings.list_attendees(booking)}
    return [
        {
            **render_ticket(booking, ticket, type_name, key),
            "attendee": attendees.get(ticket.ticket_id),
            "incomplete": ticket.ticket_id not in attendees,
        }
        for ticket, type_name in rules.iter_tickets(booking)
    ]


def render_ticket(
    booking: StoredBooking, ticket: rules.Ticket, type_name: str, key: TicketKey
) -> TicketView:
    """Return what the API shows of a ticket to its holder and at the door."""
    return {
        "ticketId": ticket.ticket_id,
        "type": type_name,
        "code": key.sign(booking["eventId"], ticket.ticket_id),
        "checkedInAt": rules.find_check_in_time(booking, ticket),
    }


def draw_ticket(
    context: BookingContext,
    ticket_id: str,
    picture_format: PictureFormat,
    actor: Actor,
    now: datetime,
) -> bytes:
    """Return the QR code of the caller's ticket as an image file.

    Raises:
        TicketNotFound: there is no such ticket, or it is another user's.
    """
    ticket = rules.parse_ticket_id(ticket_id)
    if ticket is None:
        raise TicketNotFound
    booking = store.find_booking(context.db, ObjectId(ticket.booking_id))
    if booking is None or not bookings.is_holder_or_admin(booking, actor):
        raise TicketNotFound
    if ticket not in (each for each, _type_name in rules.iter_tickets(booking)):
        raise TicketNotFound
    code = load_key(context.db, now).sign(booking["eventId"], ticket.ticket_id)
    return draw_qr_code(code, picture_format)


def draw_qr_code(text: str, picture_format: PictureFormat) -> bytes:
    """Return a QR code with this text as an image file."""
    out = io.BytesIO()
    qr_code = segno.make(text, error=ERROR_CORRECTION)
    qr_code.save(out, kind=picture_format, scale=SCALE, border=BORDER)
    return out.getvalue()


def draw_inline_qr_code(text: str) -> str:
    """Return a QR code with this text as an `svg` element, of the size that its page gives it."""
    qr_code = segno.make(text, error=ERROR_CORRECTION)
    return qr_code.svg_inline(border=BORDER, dark="#000", light="#fff", omitsize=True)


def draw_ticket_codes(
    db: Db, event_id: int, ticket_ids: Sequence[str], now: datetime
) -> dict[str, bytes]:
    """Return the QR codes of tickets of an event as PNG files, by ticketId.

    Whether the tickets are valid is not checked.
    """
    key = load_key(db, now)
    return {each: draw_qr_code(key.sign(event_id, each), "png") for each in ticket_ids}


def build_ticket_attachments(
    context: BookingContext, booking: StoredBooking
) -> tuple[list[MailTicket], tuple[Attachment, ...]]:
    """Return the tickets and the calendar entry for a mail about a booking.

    A booking that has ended has no tickets, and an entry that removes the one of earlier mails.

    Raises:
        BookingNotFound: the holder's account was deleted since the booking was read.
    """
    holder = Actor(booking["userId"])
    current = bookings.find_own_booking(context, booking["_id"], holder)
    names = {each["ticketId"]: each["name"] for each in bookings.list_attendees(current)}
    tickets: list[MailTicket] = [
        {
            "ticketId": ticket.ticket_id,
            "type": type_name,
            "attendee": names.get(ticket.ticket_id, ""),
        }
        for ticket, type_name in rules.iter_tickets(current)
    ]
    entry = calendar_entry.build_attachment(context, booking["_id"], holder)
    return tickets, (entry,)


def export_user(db: Db, user_id: ObjectId) -> JsonObject:
    """Return when the user's tickets were checked in, as `checkIns`, and when that was undone."""
    found = store.find_checked_in(db, user_id)
    return {
        "checkIns": [
            {
                "ticketId": rules.Ticket(str(booking["_id"]), local_id).ticket_id,
                "at": check_in["at"],
                "scannedAt": check_in["scannedAt"],
            }
            for booking in found
            for local_id, check_in in booking["checkIns"].items()
        ],
        "undoneCheckIns": [
            {"ticketId": rules.Ticket(str(booking["_id"]), local_id).ticket_id, **undo}
            for booking in found
            for local_id, undo in booking.get("undoneCheckIns", {}).items()
        ],
    }
