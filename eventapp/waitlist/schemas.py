"""Schemas of the bodies and answers of the waitlist routes."""

from typing import ClassVar

from marshmallow import Schema, fields, validate

from eventapp.core.http.fields import PageAnswer, PageQuery, PositiveInt64, StrictInt
from eventapp.core.json import JsonObject


class WaitlistBody(Schema):
    """A request to join the waitlist of a ticket type."""

    EXAMPLE: ClassVar[JsonObject] = {"eventId": 1, "ticketTypeId": 1, "quantity": 2}

    eventId = PositiveInt64(required=True)
    ticketTypeId = StrictInt(1)
    quantity = StrictInt(1, 10_000, load_default=1)


class WaitlistEntryAnswer(Schema):
    """A waitlist entry of the caller."""

    _id = fields.String(required=True)
    eventId = fields.Integer(required=True)
    eventTitle = fields.String(required=True)
    ticketTypeId = fields.Integer(required=True)
    type = fields.String(required=True)
    quantity = fields.Integer(required=True)
    status = fields.String(required=True)
    position = fields.Integer(required=True)
    joinedAt = fields.DateTime(required=True)


class EntryData(Schema):
    """The entry that was made."""

    waitlistEntry = fields.Nested(WaitlistEntryAnswer, required=True)


class JoinedAnswer(Schema):
    """The answer to a request to join."""

    message = fields.String(required=True)
    data = fields.Nested(EntryData, required=True)


class EntriesQuery(PageQuery):
    """The page of a list of the caller's entries."""

    cursor = fields.String(validate=validate.Length(1, 2000))


class EntriesAnswer(PageAnswer):
    """A page of the caller's active entries."""

    waitlist = fields.List(fields.Nested(WaitlistEntryAnswer), required=True)
