"""Schemas of the log of an event."""

from typing import get_args

from marshmallow import Schema, fields, validate

from eventapp.core.http.fields import PageAnswer, PageQuery
from eventapp.events.log_types import LogAction, LogVia


class LogQuery(PageQuery):
    cursor = fields.String(validate=validate.Length(1, 2000))


class LoggedUserAnswer(Schema):
    """Who made a change."""

    userId = fields.String(required=True)
    name = fields.String(required=True, allow_none=True)


class FieldChangeAnswer(Schema):
    """A field before and after a change; null where it was or is absent."""

    field = fields.String(
        required=True,
        metadata={"description": "`ticketTypes.2.price` is the price of the type with the id 2."},
    )
    before = fields.Raw(required=True, allow_none=True)
    after = fields.Raw(required=True, allow_none=True)


class LogEntryAnswer(Schema):
    """A change of an event by a person."""

    logId = fields.String(required=True)
    at = fields.DateTime(required=True)
    user = fields.Nested(
        LoggedUserAnswer,
        required=True,
        allow_none=True,
        metadata={"description": "null once the person's account was deleted."},
    )
    via = fields.String(
        required=True,
        validate=validate.OneOf(get_args(LogVia)),
        metadata={"description": "`anyone`: without an account, while DEMO_OPEN is set."},
    )
    tokenName = fields.String(
        required=True, allow_none=True, metadata={"description": "The name of the API token."}
    )
    action = fields.String(
        required=True,
        validate=validate.OneOf(get_args(LogAction)),
    )
    changes = fields.List(
        fields.Nested(FieldChangeAnswer),
        required=True,
        metadata={"description": "At most 50 fields. Texts are cut after 200 characters."},
    )
    moreChanges = fields.Integer(
        required=True, metadata={"description": "How many fields `changes` leaves out."}
    )


class LogAnswer(PageAnswer):
    """A page of the log of an event, the newest entry first."""

    entries = fields.List(fields.Nested(LogEntryAnswer), required=True)
