"""Tickets of their holder: listed, and as pictures."""

import io
from datetime import datetime
from typing import Any

import segno
from bson import ObjectId

from eventapp.bookings import service as bookings
from eventapp.bookings.context import BookingContext, current_booking_context
from eventapp.core.access.actor import Actor
from eventapp.core.database import Db, Document
from eventapp.tickets import rules, store
from eventapp.tickets.errors import TicketNotFound
from eventapp.tickets.signing_key import Key, key_of

# The routes of tickets work with the same context as those of bookings.
__all__ = ["current_booking_context"]

PNG, SVG = "png", "svg"
# A seventh of the picture may be unreadable; dots of 8 pixels, and the white edge scanners need.
ERROR_CORRECTION, SCALE, BORDER = "m", 8, 4


def of_booking(
    context: BookingContext, booking_id: ObjectId, actor: Actor, now: datetime
) -> list[dict[str, Any]]:
    """The tickets of the caller's booking, one a seat; none while it is not confirmed.

    Raises:
        BookingNotFound: there is none, or it is another's.
    """
    booking = bookings.own(context, booking_id, actor)
    key = key_of(context.db, now)
    return [shown(booking, seat, type_, key) for seat, type_ in rules.seats(booking)]


def shown(booking: Document, seat: rules.Seat, type_: str, key: Key) -> dict[str, Any]:
    """A ticket as its holder sees it."""
    return {
        "ticketId": seat.ticket_id,
        "type": type_,
        "code": key.code(booking["eventId"], seat.ticket_id),
        "checkedInAt": rules.checked_in_at(booking, seat),
    }


def picture(
    context: BookingContext, ticket_id: str, kind: str, actor: Actor, now: datetime
) -> bytes:
    """The QR code of the caller's ticket, as PNG or SVG. TicketNotFound, also for another's."""
    seat = rules.seat_of(ticket_id)
    booking = seat and store.booking(context.db, ObjectId(seat.booking_id))
    if not seat or not booking or not bookings.is_holder(booking, actor):
        raise TicketNotFound
    if seat not in (found for found, _type in rules.seats(booking)):
        raise TicketNotFound
    return drawn(key_of(context.db, now).code(booking["eventId"], seat.ticket_id), kind)


def drawn(code: str, kind: str) -> bytes:
    """A code as a QR code, as PNG or SVG."""
    out = io.BytesIO()
    segno.make(code, error=ERROR_CORRECTION).save(out, kind=kind, scale=SCALE, border=BORDER)
    return out.getvalue()


def export_user(db: Db, user_id: ObjectId) -> dict[str, Any]:
    """What is stored here about the person: when their tickets were checked in."""
    found = store.checked_in_of(db, user_id)
    return {
        "checkIns": [
            {"ticketId": f"{booking['_id']}-{place}", **note}
            for booking in found
            for place, note in booking["checkIns"].items()
        ]
    }
