"""Types of request bodies about bookings, as the schemas load them, and of bookings in answers."""

from datetime import datetime
from typing import NotRequired, TypedDict

from bson import ObjectId

from eventapp.bookings.types import BookingItem, OfferStatus, Shortfall, Status
from eventapp.events.bodies import TicketTypeView
from eventapp.events.question_types import AttendeeAnswer, AttendeeInput
from eventapp.payments.types import Amount, PaymentState, RefundReason
from eventapp.waitlist.types import EntryView


class RefundView(TypedDict):
    """One of the refunds of a booking, or their sum, as the API shows it."""

    amount: Amount  # in whole currency units
    currency: str  # ISO 4217
    reason: RefundReason
    refundedAt: datetime  # UTC, when the refund was decided
    refundId: NotRequired[str]  # the provider's id; absent until the provider has paid it back
    ticketIds: NotRequired[list[str]]  # what was cancelled; absent if the booking ended otherwise


class PaymentView(TypedDict):
    """The payment of a booking as the API shows it."""

    status: PaymentState
    attemptId: ObjectId | None  # of the last attempt; None before the first
    clientSecret: NotRequired[str]  # lets the buyer pay; only in answers that begin or go on to pay
    provider: NotRequired[str]  # the name of the provider; absent before the first attempt
    refusal: NotRequired[str]  # the provider's code of why the last attempt was refused
    expiresAt: datetime | None  # until when the tickets are held; None if they are not


class AttendeeView(TypedDict):
    """Who comes with a ticket, as the API shows it."""

    ticketId: str
    ticketTypeId: int
    name: str
    email: str | None
    answers: list[AttendeeAnswer]


class CheckedInView(TypedDict):
    """A ticket that was checked in, as webhooks show it."""

    ticketId: str
    ticketTypeId: int
    type: str | None  # the name of its type; None if the booking has no such ticket any more
    name: str | None  # who comes with it; None if that is not known, or not shown
    checkedInAt: datetime | None  # UTC; None if the check-in was undone


class BookingView(TypedDict):
    """A booking as the API shows it, in the order of its fields."""

    _id: ObjectId
    bookingReference: str
    userId: ObjectId | None
    eventId: int
    eventTitle: str
    scheduleId: int | None  # the booked schedule entry; None if it is unknown
    date: str  # YYYY-MM-DD, in the zone of the event
    startsAt: datetime | None  # UTC; None where no time is known
    endsAt: datetime | None  # UTC; None where no end is known
    timezone: str | None  # IANA name; None if the entry is unknown
    location: str
    items: list[BookingItem]
    quantity: int
    subtotal: Amount  # the sum of the items' subtotals
    discount: Amount  # the sum of the items' discounts
    totalPrice: Amount  # subtotal - discount
    promoCode: str | None
    currency: str
    status: Status
    expiresAt: datetime | None
    createdAt: datetime
    updatedAt: datetime
    cancelledAt: datetime | None
    payment: PaymentView | None  # None for free bookings
    refund: RefundView | None  # the sum
    refunds: list[RefundView]
    attendees: list[AttendeeView] | None  # None if the caller may not see them
    incompleteTickets: list[str]  # the ids of the tickets of which it is not known who comes


class OfferView(TypedDict):
    """A waitlist offer as the API shows it."""

    bookingId: ObjectId
    bookingReference: str
    eventId: int
    eventTitle: str
    scheduleId: int | None  # see StoredBooking for this and the next four
    date: str
    startsAt: datetime | None
    timezone: str | None
    location: str
    quantity: int
    items: list[BookingItem]
    status: OfferStatus
    expiresAt: datetime | None
    createdAt: datetime


class PurchaseData(TypedDict, total=False):
    """The result of a purchase as the API shows it: a booking, waitlist entries, or both."""

    booking: BookingView
    waitlistEntry: EntryView  # the first entry
    waitlistEntries: list[EntryView]  # all entries, if there are several


class ItemPrice(TypedDict):
    """What tickets of one type would cost, in whole currency units."""

    ticketTypeId: int
    quantity: int  # tickets, at least 1
    unitPrice: Amount  # the list price of one ticket
    subtotal: Amount  # quantity * unitPrice
    discount: Amount
    total: Amount  # subtotal - discount


class Quote(TypedDict):
    """What a purchase would cost, in whole currency units."""

    items: list[ItemPrice]
    subtotal: Amount
    discount: Amount
    total: Amount
    currency: str  # ISO 4217
    unlockedTypes: NotRequired[list[TicketTypeView]]  # by the code; absent if it unlocks none


class ItemInput(TypedDict):
    """One ticket type of a purchase, named by its id or by its name."""

    ticketTypeId: NotRequired[int]
    type: NotRequired[str]
    quantity: int  # tickets, at least 1


class NewAttendee(AttendeeInput):
    """The body of PUT /tickets/{ticketId}/attendee."""


class TicketAttendeeInput(AttendeeInput):
    """Who comes with one of the tickets of a purchase."""

    ticketTypeId: int


class PurchaseInput(TypedDict):
    """The body of POST /bookings.

    There are three forms: `items`; `quantity` with the id or the name of one ticket type; and
    `quantity` alone, for the only ticket type of the event.
    """

    eventId: int
    items: NotRequired[list[ItemInput]]
    ticketTypeId: NotRequired[int]
    type: NotRequired[str]
    quantity: NotRequired[int]
    scheduleId: NotRequired[int]  # with neither of these two, the next entry of the schedule
    scheduleIndex: NotRequired[int]  # from 0
    promoCode: NotRequired[str | None]
    hold: bool  # True to hold the tickets for a payment
    onShortfall: NotRequired[Shortfall]
    attendees: NotRequired[list[TicketAttendeeInput]]  # assigned to the tickets of a type in order


class QuoteInput(TypedDict):
    """The body of POST /events/{eventId}/quote."""

    items: list[ItemInput]  # may be empty beside a promo code
    scheduleId: NotRequired[int]
    promoCode: NotRequired[str | None]


class CancelledItemInput(TypedDict):
    """Tickets of one type that are to be cancelled."""

    ticketTypeId: int
    quantity: int  # tickets, at least 1


class CancellationInput(TypedDict):
    """The body of POST /bookings/{id}/cancellations: either quantities by type or tickets."""

    items: NotRequired[list[CancelledItemInput]]
    ticketIds: NotRequired[list[str]]


class AcceptInput(TypedDict):
    """The body of POST /waitlist/{eventId}/accept."""

    quantity: NotRequired[int]  # tickets to take; absent for all that are offered
    bookingId: NotRequired[ObjectId]  # the offer; absent for the newest open one
