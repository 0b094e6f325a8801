"""The documents of the `waitlist` collection, and an entry as the API shows it.

Times are aware and in UTC.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, NotRequired, TypeAlias, TypedDict

from bson import ObjectId

# `waiting`: in the queue. `offered`: all of its tickets were offered. `left`: the user left, or
# was deleted. `closed`: the event ended, or the user has as many tickets as one may have.
EntryStatus: TypeAlias = Literal["waiting", "offered", "left", "closed"]


class OfferClaim(TypedDict):
    """The claim of one process to make an entry an offer."""

    bookingId: ObjectId  # of the held booking that will be the offer
    at: datetime  # when the claim was made


class RecordedAnswer(TypedDict):
    """The answer to the order that an entry was made by."""

    status: int  # of HTTP
    message: str
    data: Mapping[str, object]  # what the body holds beside the message


class IdempotencyRecord(TypedDict):
    """What lets a repeated request get the same answer."""

    key: str  # the header Idempotency-Key
    digest: str  # of the request's body
    answer: RecordedAnswer


class WaitlistEntry(TypedDict):
    """One user's wait for tickets of one type of one event."""

    _id: ObjectId
    userId: ObjectId  # null once the entry has ended and the user is deleted; not read then
    eventId: int
    eventTitle: str  # as it was when the user joined
    ticketTypeId: int
    type: str  # name of the ticket type when the user joined
    quantity: int  # tickets still wanted; each offer lowers it, to 0 with the last one
    sequence: int  # orders the entries of a ticket type; given by the event's own update
    status: EntryStatus
    active: bool  # True while status is "waiting"
    offers: list[ObjectId]  # the bookings that were offered, oldest first
    joinedAt: datetime
    updatedAt: datetime
    offering: NotRequired[OfferClaim]  # while an offer is being made of it
    # "due" from the end of the entry until the event's `waiting` is lowered, then "done". Absent
    # while the entry waits, and after an offer, which lowers `waiting` itself.
    restock: NotRequired[Literal["due", "done"]]
    # Only on the first entry of an order with an Idempotency-Key that gave no booking.
    idempotency: NotRequired[IdempotencyRecord]


class EntryView(TypedDict):
    """An entry as the API shows it."""

    _id: ObjectId
    eventId: int
    eventTitle: str
    ticketTypeId: int
    type: str
    quantity: int
    status: EntryStatus
    position: int | None  # 1 is next; None once the entry has ended
    joinedAt: datetime


class JoinInput(TypedDict):
    """The body of a request to join a waitlist, as the schema loads it."""

    eventId: int
    ticketTypeId: NotRequired[int]  # absent for the event's only ticket type
    quantity: int  # 1 to 10,000
