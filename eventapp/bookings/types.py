"""The documents of the collection `bookings`, and their projections.

Times are aware and in UTC. A document with `void: true` is not a booking: see `Tombstone`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal, NotRequired, TypeAlias, TypedDict

from bson import ObjectId

from eventapp.bookings.ledger.types import LedgerEntry
from eventapp.events.question_types import Attendee
from eventapp.payments.types import Amount, Payment, Refund
from eventapp.waitlist.types import IdempotencyRecord

# The rules name ids by these, because only types may import bson.
BookingId: TypeAlias = ObjectId
UserId: TypeAlias = ObjectId
Status: TypeAlias = Literal["held", "confirmed", "cancelled", "expired"]
# Why a booking changed. Recorded with its stock move, and with the refund that follows. Each is a
# `RefundReason`, but for those of changes after which nothing is refunded.
ChangeReason: TypeAlias = Literal[
    "confirmed",
    "cancelled",  # by its holder, the organizer or an admin
    "part_cancelled",  # the same, of some of its tickets
    "event_cancelled",
    "part_declined",  # some tickets of an offer, by its holder
    "declined",  # an offer, by its holder
    "expired",  # a hold or an offer
]
# What to do when fewer tickets are available than requested: see `eventapp.inventory.rules`.
Shortfall: TypeAlias = Literal["reject", "partial", "waitlist"]
# How a waitlist offer was answered: `open` before, and `expired` if it was not answered in time.
OfferStatus: TypeAlias = Literal["open", "accepted", "declined", "expired"]


# Who comes with the tickets of a booking, by ticketTypeId and in the order of the tickets; None
# where that is not known.
AttendeesByType: TypeAlias = Mapping[int, Sequence[Attendee | None]]


class HolderView(TypedDict):
    """Who made a booking or waits for tickets, as those who manage the event see it."""

    name: str
    email: str


class BookingItem(TypedDict):
    """The booked tickets of one ticket type."""

    ticketTypeId: int  # the id of the ticket type within its event
    type: str  # the type's name when it was booked
    quantity: int  # tickets that are left, at least 1
    unitPrice: Amount  # the list price of one ticket when it was booked, in whole currency units
    subtotal: Amount  # quantity * unitPrice, in whole currency units
    # Both are absent in bookings of older versions, which had no discounts.
    discount: NotRequired[Amount]  # of all its tickets, in whole currency units; a multiple of each
    total: NotRequired[Amount]  # subtotal - discount, in whole currency units
    issued: NotRequired[int]  # tickets at the confirmation; absent unless some are cancelled


class RequestDigests(TypedDict):
    """What recognizes a request that is repeated with its Idempotency-Key."""

    key: str  # a digest of the caller's user id and the key
    body: str  # a digest of the body


class Cancellation(TypedDict):
    """Tickets of a confirmed booking that one request has cancelled: see `ticket_places`."""

    places: list[str]  # of the tickets, each "<ticketTypeId>-<number>"
    items: NotRequired[list[BookingItem]]  # what they were; absent where an older version cancelled
    refund: Refund | None  # None for free tickets, and if the booking has ended
    ended: NotRequired[Literal[True]]  # nothing was left: `refund` of the booking is its refund
    request: NotRequired[RequestDigests]  # absent without an Idempotency-Key


class PendingMove(TypedDict):
    """A change of the event's stock that follows a change of a booking.

    It is pending while the booking's `restock` is "due". Once it is applied to the event it is kept
    as a record.
    """

    # Of the in-flight entry: "confirm-<bookingId>"; "give-<bookingId>" for the end of the booking;
    # "give-<n>-<bookingId>" for the n-th of `cancellations`; "give-kept<n>-<bookingId>" for an
    # offer of which n tickets are kept; "give-retaken-<bookingId>" for the end of a booking whose
    # tickets were taken again. A booking has each of them once.
    key: str
    changes: list[tuple[int, dict[str, int]]]  # [ticketTypeId, {counter: change}] of each type
    code: NotRequired[str]  # the folded promo code of which it gives back a use; absent for none
    reason: ChangeReason  # also the reason of a refund that follows


class CheckIn(TypedDict):
    """The check-in of one ticket."""

    at: datetime  # UTC, when the ticket was checked in; never in the future
    scannedAt: datetime | None  # UTC, the scanner's time of an offline scan; None if online
    # Of the API token or door device that checked it in; absent for a person's login, and in
    # check-ins of older versions.
    tokenId: NotRequired[ObjectId]


class CheckInUndo(TypedDict):
    """The last undo of check-ins of one ticket."""

    at: datetime  # UTC
    # The scanner's times of the offline scans whose check-ins were undone, this time or before. The
    # clock of a scanner may be ahead, so a time may be later than `at`.
    scans: list[datetime]


class BookedEntry(TypedDict):
    """What a booking stores of its schedule entry: see `bookings.booked_entries`."""

    eventId: int  # the event's public number
    active: bool  # True while the booking is held or confirmed
    scheduleId: NotRequired[int | None]  # the booked schedule entry; None if it is unknown
    bookedMoves: NotRequired[int]  # how often the entry had been moved when it was booked; or 0
    # The copy of the entry.
    date: datetime  # its date, as midnight in UTC
    location: str
    timezone: NotRequired[str]  # IANA name; absent if the entry is unknown
    startsAt: NotRequired[datetime | None]  # UTC; None or absent where no time is known
    endsAt: NotRequired[datetime | None]  # UTC; None or absent where no end is known
    copiedMoves: NotRequired[int]  # how often the entry had been moved when it was copied; or 0


class StoredBooking(BookedEntry):
    """A document of `bookings`: tickets of one date of an event, for one user."""

    _id: ObjectId
    bookingReference: str  # "EVT-" and 6 characters, unique
    userId: ObjectId | None  # the holder; None once the holder's account is deleted
    eventTitle: str  # the event's title when it was booked
    organizerId: ObjectId | None  # the organizer of the event; None for sample events
    items: list[BookingItem]  # one for each ticket type, at least one
    quantity: int  # tickets of all items; it never rises
    totalPrice: Amount  # the price of all items less their discounts, in whole currency units
    totalCents: int  # totalPrice in cents
    discountCents: NotRequired[int]  # the discount of all items, in cents; absent is 0
    promoCode: NotRequired[str]  # the code of which it has a use while active; absent without one
    currency: str  # ISO 4217
    status: Status
    slot: str  # "direct", "offer-<bookingId>" or "gone-<bookingId>": see `bookings.store`
    expiresAt: datetime | None  # UTC end of the hold; None for a booking that is or was confirmed
    createdAt: datetime  # UTC
    updatedAt: datetime  # UTC, of the last change of status or tickets
    cancelledAt: datetime | None  # UTC; None unless cancelled
    refund: Refund | None  # of all that was left at its end; None unless a refund was decided
    cancellations: NotRequired[list[Cancellation]]  # of tickets, in order; absent before the first
    payment: NotRequired[Payment]  # absent before the first attempt, and of free bookings
    refundDueAt: NotRequired[datetime]  # UTC; absent if no refund is to be paid
    # UTC, when the provider is asked what became of an attempt; absent if there is nothing to ask.
    reconcileAt: NotRequired[datetime]
    # The attempt whose money came after the hold had ended, and for which the tickets were taken
    # again; absent otherwise.
    retakenBy: NotRequired[ObjectId]
    retakeId: NotRequired[str]  # hex id of the take that counts; absent like `retakenBy`
    restock: NotRequired[Literal["due", "done"]]  # the move in `due` is pending, or applied
    due: NotRequired[PendingMove]  # the last stock move; absent before the first, like `restock`
    # Pending notifications: {kind: when it became due}. The kind of the n-th of `cancellations` is
    # "tickets_cancelled-<n>".
    tell: NotRequired[dict[str, datetime]]
    tellAt: NotRequired[datetime]  # UTC, of the last change that set `tell`; absent without `tell`
    idempotency: NotRequired[IdempotencyRecord]  # absent without an Idempotency-Key
    waitlistEntryId: NotRequired[ObjectId]  # the entry that this offer was made for
    offeredQuantity: NotRequired[int]  # tickets of the offer when it was made
    # All changes of tickets and money, in order; absent until the first change if the booking was
    # stored before there were entries.
    entries: NotRequired[list[LedgerEntry]]
    ledgerDue: NotRequired[Literal[True]]  # there are entries that are not yet in the ledger
    checkIns: NotRequired[dict[str, CheckIn]]  # by ticket; only `eventapp.tickets` uses it
    undoneCheckIns: NotRequired[dict[str, CheckInUndo]]  # the same
    # Who comes with the tickets, by place. A ticket that was cancelled or given back may have one.
    attendees: NotRequired[dict[str, Attendee]]
    linkVersion: NotRequired[int]  # how often its link was replaced; absent: never
    # The organizer sees the holder's name and email. Absent in bookings of older versions, whose
    # holders did not know of it.
    holderIsShown: NotRequired[Literal[True]]


class EntryCopy(TypedDict):
    """The fields of a booking that are copied from its schedule entry."""

    scheduleId: int
    date: datetime
    location: str
    timezone: str
    startsAt: datetime | None
    endsAt: datetime | None
    copiedMoves: int


class ItemTotals(TypedDict):
    """The fields of a booking that follow from its items."""

    items: list[BookingItem]
    quantity: int
    totalPrice: Amount
    totalCents: int
    discountCents: int


class Tombstone(TypedDict):
    """A document that occupies the id of a booking, so that the booking can never be stored."""

    _id: ObjectId
    bookingReference: str  # "void-<id>", because references are unique
    void: Literal[True]


# Projections.


class BookingIdOnly(TypedDict):
    """The id of a booking."""

    _id: ObjectId


class PendingMoveKey(TypedDict):
    """The key of a stock move."""

    key: str


class BookingWithMoveKey(TypedDict):
    """A booking with the key of its pending stock move."""

    _id: ObjectId
    due: PendingMoveKey


class TicketSum(TypedDict):
    """Tickets of bookings of one event, schedule entry, ticket type, status and pending move."""

    event: int  # eventId
    schedule: int  # scheduleId; 0 for bookings without one
    type: int  # ticketTypeId
    status: Status
    quantity: int  # tickets
    move: PendingMove | None  # their pending stock move; then they are of one booking


class CodeSum(TypedDict):
    """Active bookings, or a pending move, of one event and promo code."""

    event: int  # eventId
    code: str  # as the booking holds it
    bookings: int  # active ones; of a single booking if there is a move
    move: PendingMove | None


class HolderFilter(TypedDict, total=False):
    """Which confirmed bookings of an event are meant; all of them where it is empty."""

    ticketTypeIds: list[int]  # those with a ticket of one of these types
    scheduleIds: list[int]  # those for one of these schedule entries
    checkedIn: bool  # those of which a ticket is checked in, or those of which none is


class HeldBooking(TypedDict):
    """The holder of a booking, and the position of the booking in lists."""

    _id: ObjectId
    userId: ObjectId
    createdAt: datetime


class OldPayment(TypedDict, total=False):
    """The payment of a booking until schema version 3: its last attempt to charge for a hold."""

    provider: str  # the name of the payment provider; always set
    attemptId: ObjectId  # absent: the booking's id
    cents: int  # the amount, in cents; absent: the price of the booking
    begunAt: datetime  # UTC
    id: str  # the provider's id of the charge; absent until its success is recorded
    paidAt: datetime  # UTC, when the booking was confirmed
    forbiddenAt: datetime  # UTC, when the attempt was given up; it can confirm nothing any more


class UnshownBooking(TypedDict):
    """A booking whose holder is not shown to those who manage the event."""

    _id: ObjectId
    userId: ObjectId


class UntoldHolder(TypedDict):
    """A document of `untoldHolders`."""

    _id: ObjectId  # the user
    dueAt: datetime  # UTC, when the next step is due


class UnmigratedBooking(TypedDict):
    """A booking of schema version 1, which has no id of its schedule entry."""

    _id: ObjectId
    eventId: int
    date: datetime
    location: str
    active: bool


class LinkedBooking(TypedDict):
    """What the link of a booking depends on."""

    _id: ObjectId
    userId: ObjectId | None
    linkVersion: NotRequired[int]  # see StoredBooking


class BookingTitle(TypedDict):
    """The title of a booked event."""

    _id: ObjectId
    eventTitle: str


class SalesSum(TypedDict):
    """Bookings of one event and status, summed for a report."""

    event: int  # eventId
    organizer: ObjectId | None
    status: Literal["confirmed", "cancelled", "expired"]
    bookings: int
    tickets: int
    cents: int
    discount: int  # in cents


class SalesRow(TypedDict):
    """The changes of one event's bookings in a report to its organizer."""

    title: str  # of the event
    bookings: int  # bookings that were confirmed, less confirmed ones that were cancelled
    tickets: int  # their tickets
    cents: int  # their price, in cents
    discount: int  # the discount of these tickets, in cents
    charged: int  # what buyers paid in the period, in cents
    refunded: int  # what they got back in the period, in cents
    fees: int  # what the payment providers kept, in cents
    ended: int  # bookings that were cancelled or have expired, held ones too
