"""The shapes of bookings, in and out."""

from typing import Any, ClassVar

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from eventapp.bookings.rules import STATUSES
from eventapp.core.http.fields import (
    MAX_INT64,
    PageAnswer,
    PageQuery,
    PositiveInt64,
    StrictBool,
    StrictInt,
    Text,
)

MAX_QUANTITY = 10_000
SHORTFALLS = ("reject", "partial", "waitlist")


class ItemBody(Schema):
    ticketTypeId = StrictInt(1)
    type = Text(1, 100)
    quantity = StrictInt(1, MAX_QUANTITY, required=True)

    class Meta:
        json_schema: ClassVar[dict[str, Any]] = {
            "oneOf": [{"required": ["ticketTypeId"]}, {"required": ["type"]}]
        }

    @validates_schema
    def one_name(self, data: dict[str, Any], **_kwargs: Any) -> None:
        if ("ticketTypeId" in data) == ("type" in data):
            raise ValidationError("Send ticketTypeId or type.", "ticketTypeId")


class BookingBody(Schema):
    """Items, or the short form of one type, or a bare quantity of the event's only type."""

    eventId = PositiveInt64(required=True)
    items = fields.List(fields.Nested(ItemBody), validate=validate.Length(1, 50))
    ticketTypeId = StrictInt(1)
    type = Text(1, 100)
    quantity = StrictInt(1, MAX_QUANTITY)
    scheduleIndex = StrictInt(0, 1000)
    hold = StrictBool(load_default=False)
    onShortfall = fields.String(validate=validate.OneOf(SHORTFALLS))

    class Meta:
        json_schema: ClassVar[dict[str, Any]] = {
            "oneOf": [{"required": ["items"]}, {"required": ["quantity"]}],
            "not": {
                "anyOf": [
                    {"required": ["items", "ticketTypeId"]},
                    {"required": ["items", "type"]},
                    {"required": ["ticketTypeId", "type"]},
                ]
            },
        }

    @validates_schema
    def one_form(self, data: dict[str, Any], **_kwargs: Any) -> None:
        short = {"ticketTypeId", "type", "quantity"} & data.keys()
        if "items" in data and short:
            raise ValidationError("Send items or the short form.", "items")
        if "items" not in data and "quantity" not in data:
            raise ValidationError("Missing data for required field.", "quantity")
        if {"ticketTypeId", "type"} <= data.keys():
            raise ValidationError("Send ticketTypeId or type.", "ticketTypeId")


class AcceptBody(Schema):
    quantity = StrictInt(1, MAX_QUANTITY)


class EventBookingsQuery(PageQuery):
    status = fields.String(validate=validate.OneOf(STATUSES))
    cursor = fields.String(validate=validate.Length(1, 2000))


class BookingsQuery(EventBookingsQuery):
    eventId = fields.Integer(validate=validate.Range(1, MAX_INT64))
    upcoming = fields.Boolean()


class BookedItem(Schema):
    ticketTypeId = fields.Integer(required=True)
    type = fields.String(required=True)
    quantity = fields.Integer(required=True)
    unitPrice = fields.Float(required=True)
    subtotal = fields.Float(required=True)


class Refund(Schema):
    amount = fields.Float(required=True)
    currency = fields.String(required=True)
    reason = fields.String(required=True)
    refundedAt = fields.DateTime(required=True)
    refundId = fields.String()  # once the provider has paid it back


class BookingAnswer(Schema):
    """A booking, as every call returns it."""

    _id = fields.String(required=True)
    bookingReference = fields.String(required=True)
    userId = fields.String(required=True, allow_none=True)
    eventId = fields.Integer(required=True)
    eventTitle = fields.String(required=True)
    date = fields.Date(required=True)
    location = fields.String(required=True)
    items = fields.List(fields.Nested(BookedItem), required=True)
    quantity = fields.Integer(required=True)
    totalPrice = fields.Float(required=True)
    currency = fields.String(required=True)
    status = fields.String(required=True, validate=validate.OneOf(STATUSES))
    expiresAt = fields.DateTime(required=True, allow_none=True)
    createdAt = fields.DateTime(required=True)
    updatedAt = fields.DateTime(required=True)
    cancelledAt = fields.DateTime(required=True, allow_none=True)
    refund = fields.Nested(Refund, required=True, allow_none=True)


class BookingData(Schema):
    booking = fields.Nested(BookingAnswer)
    waitlistEntry = fields.Dict()
    waitlistEntries = fields.List(fields.Dict())


class BookedAnswer(Schema):
    message = fields.String(required=True)
    data = fields.Nested(BookingData, required=True)


class BookingsAnswer(PageAnswer):
    bookings = fields.List(fields.Nested(BookingAnswer), required=True)


class Offer(Schema):
    bookingId = fields.String(required=True)
    bookingReference = fields.String(required=True)
    eventId = fields.Integer(required=True)
    eventTitle = fields.String(required=True)
    quantity = fields.Integer(required=True)
    items = fields.List(fields.Nested(BookedItem), required=True)
    status = fields.String(required=True)
    expiresAt = fields.DateTime(required=True, allow_none=True)
    createdAt = fields.DateTime(required=True)


class OffersAnswer(Schema):
    notifications = fields.List(fields.Nested(Offer), required=True)
