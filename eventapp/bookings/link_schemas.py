"""Schemas of the link of a booking."""

from typing import ClassVar

from marshmallow import Schema, fields, validate

from eventapp.core.json import JsonObject

MAX_REFERENCE, MAX_KEY = 40, 200


class BookingLinkBody(Schema):
    """The link of a booking, as a mail has it: `/b/<reference>?key=<key>`."""

    EXAMPLE: ClassVar[JsonObject] = {
        "reference": "EVT-7QK2MX",
        "key": "lnk_" + "A" * 43,
    }

    reference = fields.String(required=True, validate=validate.Length(1, MAX_REFERENCE))
    key = fields.String(required=True, validate=validate.Length(1, MAX_KEY))


class BookingLinkTokenAnswer(Schema):
    """A token for one booking."""

    token = fields.String(
        required=True, metadata={"description": "Send it as `Authorization: Bearer`."}
    )
    expiresAt = fields.DateTime(required=True)
    bookingId = fields.String(required=True)


class BookingLinkAnswer(Schema):
    """The link of a booking."""

    link = fields.String(required=True, metadata={"format": "uri"})
