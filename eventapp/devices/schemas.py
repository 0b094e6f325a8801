"""Schemas of the bodies and answers of door devices."""

from typing import ClassVar

from marshmallow import Schema, fields, validate

from eventapp.core.http.fields import Text
from eventapp.core.json import JsonObject

MAX_NAME, MAX_CODE = 100, 100  # characters


class DeviceBody(Schema):
    EXAMPLE: ClassVar[JsonObject] = {"name": "Main entrance"}

    name = Text(1, MAX_NAME, required=True)


class DeviceAnswer(Schema):
    deviceId = fields.String(required=True)
    name = fields.String(required=True)
    prefix = fields.String(required=True, allow_none=True)
    createdAt = fields.DateTime(required=True)
    pairedAt = fields.DateTime(required=True, allow_none=True)
    expiresAt = fields.DateTime(
        required=True, metadata={"description": "48 hours after the event, by its schedule now"}
    )
    lastUsedAt = fields.DateTime(required=True, allow_none=True)


class DevicesAnswer(Schema):
    devices = fields.List(fields.Nested(DeviceAnswer), required=True)


class DeviceLinkAnswer(Schema):
    message = fields.String(required=True)
    deviceId = fields.String(required=True)
    link = fields.String(
        required=True, metadata={"description": "The code is its fragment. It is not shown again"}
    )
    qr = fields.String(
        required=True, metadata={"description": "The link as a QR code: a PNG in a data URL"}
    )
    expiresAt = fields.DateTime(
        required=True, metadata={"description": "When the link is not valid any more"}
    )


class PairingBody(Schema):
    EXAMPLE: ClassVar[JsonObject] = {"code": "the code in the fragment of a link"}

    code = fields.String(required=True, validate=validate.Length(1, MAX_CODE))


class PairedAnswer(Schema):
    message = fields.String(required=True)
    secret = fields.String(
        required=True,
        metadata={"description": "To be sent as Authorization: Bearer. It is not shown again"},
    )
    deviceId = fields.String(required=True)
    name = fields.String(required=True)
    eventId = fields.Integer(required=True)
    eventTitle = fields.String(required=True)
    expiresAt = fields.DateTime(required=True)
