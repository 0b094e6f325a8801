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
    HolderView,
    Status,
)
from eventapp.events.question_types import Attendee, AttendeeAnswer


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
    bookingReference: str
    userId: ObjectId | None  # the holder; None once the holder's account is deleted
    holderIsShown: NotRequired[Literal[True]]  # see StoredBooking for this and the next
    attendees: NotRequired[dict[str, Attendee]]


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

    name: str | None  # of the attendee, else of the holder; None if neither is known
    bookingReference: str
    scheduleId: int | None  # the booked schedule entry; None if it is unknown
    date: str  # ISO 8601, in the zone of the event
    startsAt: datetime | None  # UTC; None where no time is known
    location: str


class ValidTicket(TypedDict):
    """A ticket in the list for offline scanners, without email and answers."""

    ticketId: str
    type: str
    name: str | None  # of the attendee, else of the holder; None if neither is known
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
    type: NotRequired[str]  # this and the next are present only if the status is "checked_in"
    name: NotRequired[str | None]
    checkedInAt: NotRequired[datetime | None]  # UTC; present if the ticket is checked in
    # The name of the device or API token that checked it in, None if there is none or it has ended;
    # present only if the status is "already_checked_in".
    checkedInBy: NotRequired[str | None]
    undoneAt: NotRequired[datetime]  # UTC; present only if the status is "undone"


class PersonView(TypedDict):
    """Who comes with a ticket, in the list of attendees."""

    name: str
    email: str | None
    answers: list[AttendeeAnswer]


class AttendeeRow(TypedDict):
    """A ticket in the list of attendees, for those who manage the event."""

    ticketId: str
    ticketTypeId: int
    type: str  # the name of the ticket type
    scheduleId: int | None  # the booked schedule entry; None if it is unknown
    date: str  # ISO 8601, in the zone of the event
    startsAt: datetime | None  # UTC; None where no time is known
    location: str
    bookingReference: str
    holder: HolderView | None  # who booked; None once the account is deleted, and if not shown
    attendee: PersonView | None  # None if it is not known who comes
    checkedInAt: datetime | None  # UTC; None before the check-in


PictureFormat = Literal["png", "svg"]
