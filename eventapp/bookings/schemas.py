"""Schemas of the bodies, queries and answers of the bookings routes."""

from typing import Any, ClassVar, get_args

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from eventapp.bookings.attendee_schemas import BookedAttendees, TicketAttendeeBody
from eventapp.bookings.rules import MAX_ATTENDEES, PAYMENT_STATES, STATUSES
from eventapp.bookings.types import Shortfall
from eventapp.core.http.fields import (
    MAX_INT64,
    ObjectIdField,
    PageAnswer,
    PageQuery,
    PositiveInt64,
    StrictBool,
    StrictInt,
    StrictText,
    Text,
)
from eventapp.core.json import JsonObject

MAX_QUANTITY = 10_000
TICKET_ID = r"^[0-9a-f]{24}-[1-9][0-9]{0,9}-[1-9][0-9]{0,5}$"


class ItemBody(Schema):
    """One ticket type of a purchase, named by its id or by its name."""

    ticketTypeId = StrictInt(1)
    type = Text(1, 100)
    quantity = StrictInt(1, MAX_QUANTITY, required=True)

    class Meta:
        json_schema: ClassVar[dict[str, Any]] = {
            "oneOf": [{"required": ["ticketTypeId"]}, {"required": ["type"]}]
        }

    @validates_schema
    def require_one_name(self, data: dict[str, Any], **_kwargs: Any) -> None:
        if ("ticketTypeId" in data) == ("type" in data):
            raise ValidationError("Send ticketTypeId or type.", "ticketTypeId")


class BookingBody(Schema):
    """A purchase: items, one ticket type with a quantity, or a quantity of the only ticket type."""

    EXAMPLE: ClassVar[JsonObject] = {"eventId": 1, "items": [{"ticketTypeId": 1, "quantity": 2}]}

    eventId = PositiveInt64(required=True)
    items = fields.List(fields.Nested(ItemBody), validate=validate.Length(1, 50))
    ticketTypeId = StrictInt(1)
    type = Text(1, 100)
    quantity = StrictInt(1, MAX_QUANTITY)
    scheduleId = StrictInt(
        1,
        metadata={
            "description": "The schedule entry to book; absent, and without scheduleIndex, the "
            "next entry that is not over."
        },
    )
    scheduleIndex = StrictInt(
        0,
        1000,
        metadata={
            "description": "The index of the schedule entry to book, for older clients: unlike "
            "scheduleId, it changes when the schedule is reordered."
        },
    )
    promoCode = StrictText(
        1,
        100,
        allow_none=True,
        metadata={"description": "A code that the organizer gave, in any case; null for none."},
    )
    hold = StrictBool(load_default=False)
    onShortfall = fields.String(validate=validate.OneOf(get_args(Shortfall)))
    attendees = fields.List(
        fields.Nested(TicketAttendeeBody),
        validate=validate.Length(1, MAX_ATTENDEES),
        metadata={"description": "Who comes, in the order of the tickets of each type."},
    )

    class Meta:
        json_schema: ClassVar[dict[str, Any]] = {
            "oneOf": [{"required": ["items"]}, {"required": ["quantity"]}],
            "not": {
                "anyOf": [
                    {"required": ["items", "ticketTypeId"]},
                    {"required": ["items", "type"]},
                    {"required": ["ticketTypeId", "type"]},
                    {"required": ["scheduleId", "scheduleIndex"]},
                ]
            },
        }

    @validates_schema
    def require_one_form(self, data: dict[str, Any], **_kwargs: Any) -> None:
        short = {"ticketTypeId", "type", "quantity"} & data.keys()
        if "items" in data and short:
            raise ValidationError("Send items or the short form.", "items")
        if "items" not in data and "quantity" not in data:
            raise ValidationError("Missing data for required field.", "quantity")
        if {"ticketTypeId", "type"} <= data.keys():
            raise ValidationError("Send ticketTypeId or type.", "ticketTypeId")
        if {"scheduleId", "scheduleIndex"} <= data.keys():
            raise ValidationError("Send scheduleId or scheduleIndex.", "scheduleId")


class CancelledItemBody(Schema):
    """How many tickets of one type are to be cancelled."""

    ticketTypeId = StrictInt(1, required=True)
    quantity = StrictInt(1, MAX_QUANTITY, required=True)


class CancellationBody(Schema):
    """Tickets of a booking: either quantities of its ticket types, or the ids of its tickets."""

    EXAMPLE: ClassVar[JsonObject] = {"items": [{"ticketTypeId": 1, "quantity": 1}]}

    items = fields.List(fields.Nested(CancelledItemBody), validate=validate.Length(1, 50))
    ticketIds = fields.List(
        fields.String(validate=validate.Regexp(TICKET_ID)),
        validate=validate.Length(1, MAX_QUANTITY),
        metadata={"uniqueItems": True},
    )

    class Meta:
        json_schema: ClassVar[dict[str, Any]] = {
            "oneOf": [{"required": ["items"]}, {"required": ["ticketIds"]}]
        }

    @validates_schema
    def require_one_form(self, data: dict[str, Any], **_kwargs: Any) -> None:
        if ("items" in data) == ("ticketIds" in data):
            raise ValidationError("Send items or ticketIds.", "items")
        type_ids = [item["ticketTypeId"] for item in data.get("items", [])]
        if len(set(type_ids)) < len(type_ids):
            raise ValidationError("Name each ticket type once.", "items")
        ticket_ids = data.get("ticketIds", [])
        if len(set(ticket_ids)) < len(ticket_ids):
            raise ValidationError("Name each ticket once.", "ticketIds")


class AcceptBody(Schema):
    """The offer to accept, and the number of its tickets.

    Without `bookingId` it is the newest open offer, and without `quantity` all of its tickets.
    """

    EXAMPLE: ClassVar[JsonObject] = {"quantity": 1}

    quantity = StrictInt(1, MAX_QUANTITY)
    bookingId = ObjectIdField()


class LeaveQuery(Schema):
    """What to leave: the waitlist of one schedule entry, or of all without `scheduleId`."""

    scheduleId = fields.Integer(validate=validate.Range(1, MAX_INT64))


class EventBookingsQuery(PageQuery):
    """Filters and page of a list of an event's bookings."""

    status = fields.String(validate=validate.OneOf(STATUSES))
    cursor = fields.String(validate=validate.Length(1, 2000))


class BookingsQuery(EventBookingsQuery):
    """Filters and page of a list of a user's bookings."""

    eventId = fields.Integer(validate=validate.Range(1, MAX_INT64))
    upcoming = fields.Boolean()


class PricedItem(Schema):
    """Tickets of one type, and what they cost."""

    ticketTypeId = fields.Integer(required=True)
    quantity = fields.Integer(required=True)
    subtotal = fields.Float(
        required=True, metadata={"description": "`quantity` times `unitPrice`."}
    )
    discount = fields.Float(
        required=True, metadata={"description": "The discount of all these tickets."}
    )
    total = fields.Float(required=True, metadata={"description": "`subtotal` less `discount`."})


class BookedItem(PricedItem):
    """The booked tickets of one ticket type."""

    type = fields.String(required=True)
    unitPrice = fields.Float(
        required=True, metadata={"description": "The list price of one ticket when it was booked."}
    )
    issued = fields.Integer(
        metadata={"description": "Tickets at the confirmation; absent unless some were cancelled"}
    )


class Refund(Schema):
    """Money that is paid back to the holder."""

    amount = fields.Float(required=True)
    currency = fields.String(required=True)
    reason = fields.String(required=True)
    refundedAt = fields.DateTime(required=True)
    refundId = fields.String()  # absent until the provider has paid it back


class RefundPart(Refund):
    """One of the refunds of a booking: of cancelled tickets, or of all that was left."""

    ticketIds = fields.List(
        fields.String(),
        metadata={"description": "The cancelled tickets; absent if the whole booking has ended"},
    )


class PaymentAnswer(Schema):
    """The payment of a booking."""

    status = fields.String(
        required=True,
        validate=validate.OneOf(PAYMENT_STATES),
        metadata={
            "description": "`required`: pay with `clientSecret`. `processing` and `unknown`: wait. "
            "`failed`: begin the next attempt. The booking is confirmed when the money came."
        },
    )
    attemptId = fields.String(required=True, allow_none=True)
    clientSecret = fields.String(
        metadata={"description": "Lets the buyer pay; only in answers that begin a payment."}
    )
    provider = fields.String()
    refusal = fields.String(metadata={"description": "The provider's code of the last refusal."})
    expiresAt = fields.DateTime(
        required=True, allow_none=True, metadata={"description": "The end of the hold."}
    )


class BookingAnswer(BookedAttendees):
    """A booking. Items, quantity and price are what is left after tickets were cancelled.

    While it is held or confirmed, it shows its schedule entry as that is now.
    """

    _id = fields.String(required=True)
    bookingReference = fields.String(required=True)
    userId = fields.String(required=True, allow_none=True)
    eventId = fields.Integer(required=True)
    eventTitle = fields.String(required=True)
    scheduleId = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "The booked schedule entry; null for some bookings from before."},
    )
    date = fields.Date(required=True, metadata={"description": "The date in the event's zone."})
    startsAt = fields.DateTime(
        required=True, allow_none=True, metadata={"description": "Null where no time is known."}
    )
    endsAt = fields.DateTime(
        required=True, allow_none=True, metadata={"description": "Null where no end is known."}
    )
    timezone = fields.String(
        required=True, allow_none=True, metadata={"description": "The IANA name of the zone."}
    )
    location = fields.String(required=True)
    items = fields.List(fields.Nested(BookedItem), required=True)
    quantity = fields.Integer(required=True)
    subtotal = fields.Float(
        required=True, metadata={"description": "The sum of the items' subtotals."}
    )
    discount = fields.Float(
        required=True, metadata={"description": "The sum of the items' discounts."}
    )
    totalPrice = fields.Float(
        required=True, metadata={"description": "`subtotal` less `discount`."}
    )
    promoCode = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The promo code of the booking, null without one."},
    )
    currency = fields.String(required=True)
    status = fields.String(required=True, validate=validate.OneOf(STATUSES))
    expiresAt = fields.DateTime(required=True, allow_none=True)
    createdAt = fields.DateTime(required=True)
    updatedAt = fields.DateTime(required=True)
    cancelledAt = fields.DateTime(required=True, allow_none=True)
    payment = fields.Nested(
        PaymentAnswer,
        required=True,
        allow_none=True,
        metadata={"description": "Null for a free booking."},
    )
    refund = fields.Nested(
        Refund,
        required=True,
        allow_none=True,
        metadata={"description": "The sum of `refunds`, with a `refundId` once all are paid"},
    )
    refunds = fields.List(fields.Nested(RefundPart), required=True)


class CancellationData(Schema):
    """A booking without the cancelled tickets, and their refund; null for free tickets."""

    booking = fields.Nested(BookingAnswer, required=True)
    refund = fields.Nested(RefundPart, required=True, allow_none=True)


class CancellationAnswer(Schema):
    """The result of a cancellation of tickets."""

    message = fields.String(required=True)
    data = fields.Nested(CancellationData, required=True)


class BookingData(Schema):
    """A booking, waitlist entries, or both."""

    booking = fields.Nested(BookingAnswer)
    waitlistEntry = fields.Dict()
    waitlistEntries = fields.List(fields.Dict())


class BookedAnswer(Schema):
    """The result of a purchase, or a booking after a request."""

    message = fields.String(required=True)
    data = fields.Nested(BookingData, required=True)


class BookingsAnswer(PageAnswer):
    """A page of bookings."""

    bookings = fields.List(fields.Nested(BookingAnswer), required=True)


class Offer(Schema):
    """A waitlist offer; `status` is open, accepted, declined or expired."""

    bookingId = fields.String(required=True)
    bookingReference = fields.String(required=True)
    eventId = fields.Integer(required=True)
    eventTitle = fields.String(required=True)
    scheduleId = fields.Integer(required=True, allow_none=True)
    date = fields.Date(required=True, metadata={"description": "The date in the event's zone."})
    startsAt = fields.DateTime(
        required=True, allow_none=True, metadata={"description": "Null where no time is known."}
    )
    timezone = fields.String(required=True, allow_none=True)
    location = fields.String(required=True)
    quantity = fields.Integer(required=True)
    items = fields.List(fields.Nested(BookedItem), required=True)
    status = fields.String(required=True)
    expiresAt = fields.DateTime(required=True, allow_none=True)
    createdAt = fields.DateTime(required=True)


class OffersQuery(PageQuery):
    """The page of a list of the offers to a user."""

    cursor = fields.String(validate=validate.Length(1, 2000))


class OffersAnswer(PageAnswer):
    """A page of the offers to a user."""

    notifications = fields.List(fields.Nested(Offer), required=True)


class ReceivedAnswer(Schema):
    """An event of a payment provider was received."""

    received = fields.Boolean(required=True)
