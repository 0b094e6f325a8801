"""Schemas of requests and answers about promo codes."""

from typing import Any, ClassVar

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from eventapp.core.http.fields import Price, StrictBool, StrictInt
from eventapp.core.http.timestamps import Timestamp
from eventapp.core.json import JsonObject
from eventapp.promotions.rules import KINDS

MAX_TYPES = 50
CODE = fields.String(
    validate=validate.Regexp(r"[A-Za-z0-9_-]{3,40}\Z"),
    metadata={
        "pattern": "^[A-Za-z0-9_-]{3,40}$",
        "description": "What buyers enter, in any case; unique in the event.",
    },
)


def _describe(text: str) -> dict[str, str]:
    return {"description": text}


class PromoCodePatch(Schema):
    """The changes of a promo code. Null removes an optional field."""

    EXAMPLE: ClassVar[JsonObject] = {"maxUses": 200, "active": True}

    code = CODE
    kind = fields.String(
        validate=validate.OneOf(KINDS),
        metadata=_describe(
            "`percent`: `value` percent off each ticket. `amount`: `value` off each ticket. "
            "`fixed_price`: a ticket costs `value`, unless its price is lower. "
            "It is sent together with `value`: 0.01 to 100 percent, or an amount."
        ),
    )
    value = Price()
    maxUses = StrictInt(1, allow_none=True, metadata=_describe("Bookings that may use it."))
    validFrom = Timestamp(allow_none=True, metadata=_describe("It is valid from then on."))
    validUntil = Timestamp(
        allow_none=True, metadata=_describe("It is valid until before then; after `validFrom`.")
    )
    ticketTypeIds = fields.List(
        StrictInt(1),
        allow_none=True,
        validate=validate.Length(1, MAX_TYPES),
        metadata=_describe("The ticket types that it discounts; null for all."),
    )
    unlocks = fields.List(
        StrictInt(1),
        allow_none=True,
        validate=validate.Length(1, MAX_TYPES),
        metadata=_describe(
            "The secret ticket types that may be named, booked and quoted with it; null for none. "
            "It need not discount them: a fixed price above the price discounts nothing."
        ),
    )
    active = StrictBool(metadata=_describe("False: nobody can use it."))

    class Meta:
        json_schema: ClassVar[JsonObject] = {"minProperties": 1}

    @validates_schema
    def require_a_field(self, data: dict[str, Any], **_kwargs: Any) -> None:
        if not data:
            raise ValidationError("Send at least one field.")


class PromoCodeBody(PromoCodePatch):
    """A new promo code."""

    EXAMPLE: ClassVar[JsonObject] = {
        "code": "SPRING-10",
        "kind": "percent",
        "value": 10,
        "maxUses": 100,
        "validUntil": "2035-06-01T00:00:00Z",
    }

    code = fields.String(required=True, validate=CODE.validate, metadata=CODE.metadata)
    kind = fields.String(
        required=True,
        validate=validate.OneOf(KINDS),
        metadata=_describe(
            "`percent`: `value` percent off each ticket. `amount`: `value` off each ticket. "
            "`fixed_price`: a ticket costs `value`, unless its price is lower. "
            "It is sent together with `value`: 0.01 to 100 percent, or an amount."
        ),
    )
    value = Price(required=True)

    class Meta:
        json_schema: ClassVar[JsonObject] = {}


class PromoCodeAnswer(Schema):
    """A promo code, for the event's organizer and admins."""

    codeId = fields.Integer(required=True)
    code = fields.String(required=True)
    kind = fields.String(required=True, validate=validate.OneOf(KINDS))
    value = fields.Float(required=True)
    maxUses = fields.Integer(required=True, allow_none=True)
    validFrom = fields.DateTime(required=True, allow_none=True)
    validUntil = fields.DateTime(required=True, allow_none=True)
    ticketTypeIds = fields.List(fields.Integer(), required=True, allow_none=True)
    unlocks = fields.List(fields.Integer(), required=True, allow_none=True)
    active = fields.Boolean(required=True)
    used = fields.Integer(
        required=True, metadata=_describe("Held and confirmed bookings that use it.")
    )


class PromoCodesAnswer(Schema):
    """The promo codes of an event, the oldest first."""

    promoCodes = fields.List(fields.Nested(PromoCodeAnswer), required=True)
