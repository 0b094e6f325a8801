"""Stored documents that only tickets write, and the shapes of tickets in answers."""

from datetime import datetime
from typing import Literal, NotRequired, TypedDict

from bson import ObjectId

from eventapp.bookings.bodies import AttendeeView
from eventapp.bookings.types import (
    BookedEntry,
    BookingItem,
    Cancellation,
    CheckIn,
    CheckInUndo,
    Status,
)


class StoredKey(TypedDict):
    """The document of `keys` that holds the private key of all tickets."""

    _id: str  # "tickets"
    seed: bytes  # 32 bytes, the seed of the Ed25519 key
    createdAt: datetime  # UTC


class TicketedBooking(BookedEntry):
    """The fields of a booking that determine its tickets and whether they are checked in."""

    _id: ObjectId
    status: Status
    items: list[BookingItem]
    createdAt: datetime  # UTC
    checkIns: NotRequired[dict[str, CheckIn]]  # by Ticket.local_id; absent before the first one
    cancellations: NotRequired[list[Cancellation]]  # of tickets; absent before the first one


class CheckedInBooking(TypedDict):
    """Projection of a booking that has had check-ins."""

    _id: ObjectId
    checkIns: dict[str, CheckIn]  # empty if all were undone
    undoneCheckIns: NotRequired[dict[str, CheckInUndo]]  # absent before the first undo


class TicketView(TypedDict):
    """What the API shows of a ticket to its holder and at the door."""

    ticketId: str
    type: str  # the name of the ticket type
    code: str  # what the QR code contains, see `rules`
    checkedInAt: datetime | None  # UTC; None before the check-in


class HolderTicket(TicketView):
    """A ticket as the API shows it to its holder, with who comes with it."""

    attendee: AttendeeView | None  # None if that is not known
    incomplete: bool  # whether that is not known


class CheckedInTicket(TicketView):
    """A ticket that was just checked in, as the API shows it to the scanner."""

    bookingReference: str
    scheduleId: int | None  # the booked schedule entry; None if it is unknown
    date: str  # ISO 8601, in the zone of the event
    startsAt: datetime | None  # UTC; None where no time is known
    location: str


class ValidTicket(TypedDict):
    """A ticket in the list for offline scanners, which has no personal data."""

    ticketId: str
    type: str
    scheduleId: int | None  # the booked schedule entry; None if it is unknown
    date: str  # ISO 8601, in the zone of the event
    startsAt: datetime | None  # UTC; None where no time is known
    checkedInAt: datetime | None  # UTC; None before the check-in


class UndoneTicket(TypedDict):
    """A ticket whose check-in was just undone."""

    ticketId: str
    type: str  # the name of the ticket type
    checkedInAt: None
    undoneAt: datetime  # UTC


class ScanResult(TypedDict):
    """The result of an uploaded scan."""

    status: str  # "checked_in", "already_checked_in", "undone" or "ticket_not_found"
    ticketId: NotRequired[str]  # absent if the status is "ticket_not_found"
    type: NotRequired[str]  # present only if the status is "checked_in"
    checkedInAt: NotRequired[datetime | None]  # UTC; present if the ticket is checked in
    undoneAt: NotRequired[datetime]  # UTC; present only if the status is "undone"


PictureFormat = Literal["png", "svg"]
