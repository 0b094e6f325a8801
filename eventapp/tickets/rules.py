"""The ids and codes of tickets.

A ticket admits one person and belongs to a confirmed booking. Tickets are not stored: they are
derived from the booking's items. A `ticketId` consists of the booking's id, the id of the ticket
type and a number within the type. A ticket's code is

    EVT1.<eventId>.<TICKETID>.<signature>

The signature is an Ed25519 signature of the ASCII text before its dot, in base32 without padding.
All characters are in the alphanumeric alphabet of QR codes, which keeps the QR code small. A
scanner needs only the public key to verify a code.
"""

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from eventapp.bookings.types import CheckInUndo, HolderView, StoredBooking
from eventapp.tickets.types import AttendeeRow, TicketedBooking, ValidTicket

# The status of a booking that has tickets.
CONFIRMED = "confirmed"
# The scans that a scanner may upload in one request.
MAX_SCANS = 500

_TICKET_ID = re.compile(r"([0-9a-f]{24})-([1-9]\d{0,9})-([1-9]\d{0,5})", re.ASCII)
# The 64 bytes of a signature are 103 characters in base32.
_CODE = re.compile(
    r"EVT1\.([1-9]\d{0,18})\.([0-9A-F]{24}-\d{1,10}-\d{1,6})\.[A-Z2-7]{103}", re.ASCII
)


@dataclass(frozen=True)
class Ticket:
    """One ticket of a booking.

    Attributes:
        booking_id: hex id of the booking.
        local_id: `<ticketTypeId>-<number within the type>`, unique within the booking. It is the
            ticket's key in `checkIns`.
    """

    booking_id: str
    local_id: str

    @property
    def ticket_id(self) -> str:
        return f"{self.booking_id}-{self.local_id}"

    @property
    def place(self) -> tuple[int, int]:
        """The ticketTypeId and the number within the type."""
        type_id, _, number = self.local_id.partition("-")
        return int(type_id), int(number)


def parse_ticket_id(ticket_id: str) -> Ticket | None:
    """Return the ticket with this id; None if it is malformed."""
    match = _TICKET_ID.fullmatch(ticket_id)
    return Ticket(match[1], f"{match[2]}-{match[3]}") if match else None


def iter_tickets(booking: TicketedBooking | StoredBooking) -> Iterator[tuple[Ticket, str]]:
    """Yield each ticket of a booking with the name of its type; none if it is not confirmed.

    A cancelled ticket is left out, and the others keep their numbers.
    """
    if booking["status"] != CONFIRMED:
        return
    cancelled = {place for each in booking.get("cancellations", []) for place in each["places"]}
    for item in booking["items"]:
        for number in range(1, item.get("issued", item["quantity"]) + 1):
            local_id = f"{item['ticketTypeId']}-{number}"
            if local_id not in cancelled:
                yield Ticket(str(booking["_id"]), local_id), item["type"]


def iter_by_place(
    booking: TicketedBooking | StoredBooking,
) -> Iterator[tuple[Ticket, str]]:
    """Yield what `iter_tickets` does, by ticketTypeId and number."""
    yield from sorted(iter_tickets(booking), key=lambda pair: pair[0].place)


def find_check_in_time(booking: TicketedBooking | StoredBooking, ticket: Ticket) -> datetime | None:
    """Return when a ticket of the booking was checked in; None if it is not checked in."""
    check_in = booking.get("checkIns", {}).get(ticket.local_id)
    return check_in["at"] if check_in else None


def is_scan_undone(undo: CheckInUndo, scanned_at: datetime) -> bool:
    """Return whether an offline scan checks nothing in because check-ins of its ticket were undone.

    A scan does so if it was not made after the last undo, or if its own check-in was undone.
    """
    return scanned_at <= undo["at"] or scanned_at in undo["scans"]


def build_payload(event_id: int, ticket_id: str) -> str:
    """Return the part of a code that is signed."""
    return f"EVT1.{event_id}.{ticket_id.upper()}"


def build_code(payload: str, signature: bytes) -> str:
    """Return the code with this payload and signature."""
    return f"{payload}.{base64.b32encode(signature).decode().rstrip('=')}"


def normalize_code(text: str) -> str:
    """Return a code as it was issued. Clients may send it in lower case or with spaces."""
    return text.strip().upper()


def parse_code(code: str) -> tuple[int, Ticket] | None:
    """Return the eventId and the ticket of a code; None if it is malformed.

    The signature is not verified.
    """
    match = _CODE.fullmatch(code)
    if match is None:
        return None
    ticket = parse_ticket_id(match[2].lower())
    return (int(match[1]), ticket) if ticket else None


def find_name(
    booking: TicketedBooking | StoredBooking, ticket: Ticket, holder: HolderView | None
) -> str | None:
    """Return who comes with a ticket: the attendee, else the holder; None if neither is known."""
    attendee = booking.get("attendees", {}).get(ticket.local_id)
    return attendee["name"] if attendee else holder["name"] if holder else None


def render_valid_ticket(
    booking: TicketedBooking, ticket: Ticket, type_name: str, holder: HolderView | None
) -> ValidTicket:
    """Return a ticket as the list for offline scanners shows it."""
    return {
        "ticketId": ticket.ticket_id,
        "type": type_name,
        "name": find_name(booking, ticket, holder),
        "scheduleId": booking.get("scheduleId"),
        "date": booking["date"].date().isoformat(),
        "startsAt": booking.get("startsAt"),
        "checkedInAt": find_check_in_time(booking, ticket),
    }


def render_attendee_row(
    booking: TicketedBooking, ticket: Ticket, type_name: str, holder: HolderView | None
) -> AttendeeRow:
    """Return a ticket as the list of attendees shows it."""
    attendee = booking.get("attendees", {}).get(ticket.local_id)
    return {
        "ticketId": ticket.ticket_id,
        "ticketTypeId": ticket.place[0],
        "type": type_name,
        "scheduleId": booking.get("scheduleId"),
        "date": booking["date"].date().isoformat(),
        "startsAt": booking.get("startsAt"),
        "location": booking["location"],
        "bookingReference": booking["bookingReference"],
        "holder": holder,
        "attendee": {
            "name": attendee["name"],
            "email": attendee.get("email"),
            "answers": attendee["answers"],
        }
        if attendee
        else None,
        "checkedInAt": find_check_in_time(booking, ticket),
    }
