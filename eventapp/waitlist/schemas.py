"""Schemas of the bodies and answers of the waitlist routes."""

from marshmallow import Schema, fields

from eventapp.core.http.fields import PositiveInt64, StrictInt


class WaitlistBody(Schema):
    eventId = PositiveInt64(required=True)
    ticketTypeId = StrictInt(1)
    quantity = StrictInt(1, 10_000, load_default=1)


class WaitlistEntryAnswer(Schema):
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
    waitlistEntry = fields.Nested(WaitlistEntryAnswer, required=True)


class JoinedAnswer(Schema):
    message = fields.String(required=True)
    data = fields.Nested(EntryData, required=True)


class EntriesAnswer(Schema):
    waitlist = fields.List(fields.Nested(WaitlistEntryAnswer), required=True)
