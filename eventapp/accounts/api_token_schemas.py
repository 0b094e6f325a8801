"""Schemas of the bodies and answers of API tokens."""

from typing import ClassVar

from marshmallow import Schema, fields, validate

from eventapp.accounts import rules
from eventapp.core.http.fields import SCOPES, Password, PositiveInt64, Text
from eventapp.core.http.timestamps import Timestamp
from eventapp.core.json import JsonObject

MAX_EVENTS = 100


class ApiTokenBody(Schema):
    """An API token to create. Without `eventIds` it is for all events, now and later."""

    EXAMPLE: ClassVar[JsonObject] = {
        "name": "Nightly export",
        "scopes": ["events:read", "bookings:read"],
        "currentPassword": "correct horse",
    }

    name = Text(1, rules.MAX_NAME, required=True)
    scopes = fields.List(
        fields.String(validate=validate.OneOf(SCOPES)),
        required=True,
        validate=validate.Length(1, len(SCOPES)),
    )
    eventIds = fields.List(PositiveInt64(), validate=validate.Length(1, MAX_EVENTS))
    expiresAt = Timestamp()
    currentPassword = Password()


class ApiTokenAnswer(Schema):
    tokenId = fields.String(required=True)
    name = fields.String(required=True)
    prefix = fields.String(required=True)
    scopes = fields.List(fields.String(validate=validate.OneOf(SCOPES)), required=True)
    eventIds = fields.List(fields.Integer(), required=True, allow_none=True)
    createdAt = fields.DateTime(required=True)
    expiresAt = fields.DateTime(required=True, allow_none=True)
    lastUsedAt = fields.DateTime(required=True, allow_none=True)


class ApiTokenCreated(Schema):
    message = fields.String(required=True)
    secret = fields.String(required=True, metadata={"description": "It is not shown again"})
    token = fields.Nested(ApiTokenAnswer, required=True)


class ApiTokensAnswer(Schema):
    tokens = fields.List(fields.Nested(ApiTokenAnswer), required=True)
