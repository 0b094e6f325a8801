"""The documents of the `waitlist` collection, and an entry as the API shows it.

Times are aware and in UTC.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, NamedTuple, NotRequired, TypeAlias, TypedDict

from bson import ObjectId

from eventapp.events.question_types import Attendee

# `waiting`: in the queue. `offered`: all of its tickets were offered. `left`: the user left, or
# was deleted. `closed`: the event or the schedule entry ended, or the user has as many tickets as
# one may have.
EntryStatus: TypeAlias = Literal["waiting", "offered", "left", "closed"]


# Why an entry was closed. The notification to its user gives the reason.
CloseReason: TypeAlias = Literal[
    "event_cancelled", "event_deleted", "event_over", "entry_over", "ticket_limit"
]


class OfferClaim(TypedDict):
    """The claim of a process that is making an offer from an entry."""

    bookingId: ObjectId  # of the held booking that will be the offer
    at: datetime  # when the claim was made


class RecordedAnswer(TypedDict):
    """The stored answer to a purchase."""

    status: int  # of HTTP
    message: str
    data: Mapping[str, object]  # `data` of the body


class IdempotencyRecord(TypedDict):
    """The idempotency key of a purchase with its answer, to answer a repeated request."""

    key: str  # the header Idempotency-Key
    digest: str  # hash of the request's body
    answer: RecordedAnswer


class WaitlistEntry(TypedDict):
    """A waitlist entry: one user waits for tickets of one type and schedule entry of an event."""

    _id: ObjectId
    userId: ObjectId  # stored as null when an ended entry's user is deleted; not read after that
    eventId: int
    eventTitle: str  # as it was when the user joined
    ticketTypeId: int
    type: str  # name of the ticket type when the user joined
    # Of the schedule entry that the user waits for. Absent in entries that ended before schema
    # version 3, and in those that could not be migrated.
    scheduleId: NotRequired[int]
    quantity: int  # tickets still wanted; each offer lowers it, to 0 with the last one
    sequence: int  # orders the entries of an event; given by the event's own update
    status: EntryStatus
    active: bool  # True while status is "waiting"
    offers: list[ObjectId]  # the bookings that were offered, oldest first
    joinedAt: datetime
    updatedAt: datetime
    offering: NotRequired[OfferClaim]  # while an offer is being made from it
    # The state of its leave: "due" while pending, "done" once applied. Absent while the entry is
    # active, and if an offer ended it, because the take of the offer lowers `waiting`.
    restock: NotRequired[Literal["due", "done"]]
    # Present if the user was deleted while the entry was claimed for an offer. Then `userId` is the
    # id of the entry.
    forgotten: NotRequired[bool]
    # When the entry was closed; absent again once its user was notified.
    tellAt: NotRequired[datetime]
    # Why the entry was closed, if it was not because of its event.
    closeReason: NotRequired[CloseReason]
    # Who comes with the tickets that the user first waited for, in their order; None where that is
    # not known. Absent without any, and once the entry has ended.
    attendees: NotRequired[list[Attendee | None]]
    # The organizer sees the user's name and email. Absent in entries of older versions.
    holderIsShown: NotRequired[Literal[True]]
    # Only in the first entry of a purchase that had an Idempotency-Key and gave no booking.
    idempotency: NotRequired[IdempotencyRecord]


class EntryPosition(NamedTuple):
    """The position of an entry in the order of its event."""

    sequence: int
    entry_id: ObjectId


class UnmigratedEntry(TypedDict):
    """An entry of schema version 2, without the schedule entry that it waits for."""

    _id: ObjectId
    userId: ObjectId
    eventId: int
    ticketTypeId: int


class WaitingSum(TypedDict):
    """A number of entries of one queue that are active or have a pending leave."""

    event: int  # eventId
    type: int  # ticketTypeId
    schedule: int  # scheduleId; 0 for entries without one
    leavingId: ObjectId | None  # the id of the one entry, if it has ended and its leave is pending
    offerId: ObjectId | None  # the bookingId of the claim, if it is claimed for an offer
    entries: int


class EntryView(TypedDict):
    """An entry as the API shows it."""

    _id: ObjectId
    eventId: int
    eventTitle: str
    ticketTypeId: int
    type: str
    # The schedule entry and what it now is: its date in its zone, and its begin. Null where the
    # schedule entry is unknown or gone; `startsAt` also where no time is known.
    scheduleId: int | None
    date: str | None
    startsAt: datetime | None
    timezone: str | None
    location: str | None
    quantity: int
    status: EntryStatus
    position: int | None  # 1 is next; None once the entry has ended
    joinedAt: datetime


class JoinInput(TypedDict):
    """The body of a request to join a waitlist, as the schema loads it."""

    eventId: int
    ticketTypeId: NotRequired[int]  # absent for the event's only ticket type
    # The schedule entry by its id or its index; without both it is the next one to come.
    scheduleId: NotRequired[int]
    scheduleIndex: NotRequired[int]
    quantity: int  # 1 to 10,000
