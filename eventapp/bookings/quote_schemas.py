"""Schemas of the body and the answer of a request for prices."""

from typing import Any, ClassVar

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from eventapp.bookings.schemas import ItemBody, PricedItem
from eventapp.core.http.fields import StrictInt, StrictText
from eventapp.core.json import JsonObject


class QuoteBody(Schema):
    """The tickets whose price is asked for."""

    EXAMPLE: ClassVar[JsonObject] = {"items": [{"ticketTypeId": 1, "quantity": 2}]}

    items = fields.List(
        fields.Nested(ItemBody),
        required=True,
        validate=validate.Length(0, 50),
        metadata={"description": "May be empty beside a promo code, to ask what that unlocks."},
    )
    scheduleId = StrictInt(
        1, metadata={"description": "The schedule entry to book. It does not change the prices."}
    )
    promoCode = StrictText(
        1,
        100,
        allow_none=True,
        metadata={"description": "A code that the organizer gave, in any case; null for none."},
    )

    @validates_schema
    def require_something(self, data: dict[str, Any], **_kwargs: Any) -> None:
        if not data["items"] and not data.get("promoCode"):
            raise ValidationError("Name a ticket type or a promo code.", "items")


class QuotedItem(PricedItem):
    """What tickets of one type would cost."""

    unitPrice = fields.Float(
        required=True, metadata={"description": "The list price of one ticket."}
    )


class UnlockedType(Schema):
    """A secret ticket type that a promo code unlocks."""

    ticketTypeId = fields.Integer(required=True)
    type = fields.String(required=True)
    price = fields.Float(required=True)
    availableTickets = fields.Integer(
        required=True,
        metadata={"description": "For `scheduleId`; without it, the most that one date offers."},
    )
    saleState = fields.String(required=True)
    visibility = fields.String(required=True)
    description = fields.String()
    salesFrom = fields.DateTime()
    salesUntil = fields.DateTime()
    minPerBooking = fields.Integer()
    maxPerBooking = fields.Integer()
    maxPerUser = fields.Integer()


class QuoteAnswer(Schema):
    """What a booking would cost now. Nothing is taken or reserved."""

    items = fields.List(fields.Nested(QuotedItem), required=True)
    subtotal = fields.Float(required=True)
    discount = fields.Float(required=True)
    total = fields.Float(required=True)
    currency = fields.String(required=True)
    unlockedTypes = fields.List(
        fields.Nested(UnlockedType),
        metadata={"description": "What the promo code unlocks; absent if that is nothing."},
    )
