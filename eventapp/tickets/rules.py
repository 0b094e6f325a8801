"""What a ticket is: one seat of a confirmed booking, with a name and a code of its own.

Nothing of it is stored when tickets are booked: `ticketId` is the booking's id, the ticket type's
and the seat's number within it, and its code is that in the clear with a signature behind it:

    EVT1.<eventId>.<TICKETID>.<signature>

`signature` is Ed25519 over the ASCII of all before its dot, in base32 without padding. All of it
is of QR's dense alphabet, so that the picture is small, and a scanner needs but the public key to
check it and nothing to read it.
"""

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

CONFIRMED = "confirmed"
MAX_SCANS = 500

_TICKET_ID = re.compile(r"([0-9a-f]{24})-([1-9]\d{0,9})-([1-9]\d{0,5})", re.ASCII)
_CODE = re.compile(
    r"(EVT1\.([1-9]\d{0,18})\.([0-9A-F]{24}-\d{1,10}-\d{1,6}))\.[A-Z2-7]{103}", re.ASCII
)


@dataclass(frozen=True)
class Seat:
    """Which ticket of which booking.

    Attributes:
        place: what the booking notes its check-in under.
    """

    booking_id: str
    place: str

    @property
    def ticket_id(self) -> str:
        return f"{self.booking_id}-{self.place}"


def seat_of(ticket_id: str) -> Seat | None:
    """The seat that a ticket's id names; None where it is no such id."""
    match = _TICKET_ID.fullmatch(ticket_id)
    return Seat(match[1], f"{match[2]}-{match[3]}") if match else None


def seats(booking: Mapping[str, Any]) -> Iterator[tuple[Seat, str]]:
    """The seats of a booking and their types' names; none where it is not confirmed."""
    if booking["status"] != CONFIRMED:
        return
    for item in booking["items"]:
        for number in range(1, item["quantity"] + 1):
            place = f"{item['ticketTypeId']}-{number}"
            yield Seat(str(booking["_id"]), place), item["type"]


def checked_in_at(booking: Mapping[str, Any], seat: Seat) -> Any:
    """When the seat's ticket was checked in, None where it was not."""
    return booking.get("checkIns", {}).get(seat.place, {}).get("at")


def claim(event_id: int, ticket_id: str) -> str:
    """What is signed."""
    return f"EVT1.{event_id}.{ticket_id.upper()}"


def code(signed: str, signature: bytes) -> str:
    return f"{signed}.{base64.b32encode(signature).decode().rstrip('=')}"


def read(sent: str) -> tuple[int, Seat] | None:
    """The eventId and the seat that a code names, whoever signed it; None where it is no code."""
    match = _CODE.fullmatch(sent)
    seat = seat_of(match[3].lower()) if match else None
    return (int(match[2]), seat) if match and seat else None


def typed(sent: str) -> str:
    """A code as scanners and people send it: in any case, with space round it."""
    return sent.strip().upper()


def row(booking: Mapping[str, Any], seat: Seat, type_: str) -> dict[str, Any]:
    """A ticket as the door's list has it: nothing of the person."""
    return {
        "ticketId": seat.ticket_id,
        "type": type_,
        "date": booking["date"].date().isoformat(),
        "checkedInAt": checked_in_at(booking, seat),
    }
