"""Schemas of the bodies and answers of the waitlist routes."""

from typing import Any, ClassVar

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from eventapp.core.http.fields import PageAnswer, PageQuery, PositiveInt64, StrictInt
from eventapp.core.json import JsonObject


class WaitlistBody(Schema):
    """A request to join the waitlist of a ticket type and schedule entry."""

    EXAMPLE: ClassVar[JsonObject] = {"eventId": 1, "ticketTypeId": 1, "quantity": 2}

    eventId = PositiveInt64(required=True)
    ticketTypeId = StrictInt(1)
    scheduleId = StrictInt(
        1,
        metadata={
            "description": "The schedule entry to wait for; absent, and without scheduleIndex, the "
            "next entry that is not over."
        },
    )
    scheduleIndex = StrictInt(
        0, 1000, metadata={"description": "The index of the schedule entry to wait for."}
    )
    quantity = StrictInt(1, 10_000, load_default=1)

    class Meta:
        json_schema: ClassVar[dict[str, Any]] = {
            "not": {"required": ["scheduleId", "scheduleIndex"]}
        }

    @validates_schema
    def require_one_name(self, data: dict[str, Any], **_kwargs: Any) -> None:
        if {"scheduleId", "scheduleIndex"} <= data.keys():
            raise ValidationError("Send scheduleId or scheduleIndex.", "scheduleId")


class WaitlistEntryAnswer(Schema):
    """A waitlist entry of the caller."""

    _id = fields.String(required=True)
    eventId = fields.Integer(required=True)
    eventTitle = fields.String(required=True)
    ticketTypeId = fields.Integer(required=True)
    type = fields.String(required=True)
    scheduleId = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "The schedule entry; null in some that ended long ago."},
    )
    date = fields.Date(
        required=True,
        allow_none=True,
        metadata={"description": "The present date of the schedule entry; null if that is gone."},
    )
    startsAt = fields.DateTime(
        required=True, allow_none=True, metadata={"description": "Null where no time is known."}
    )
    timezone = fields.String(
        required=True, allow_none=True, metadata={"description": "The IANA name of the zone."}
    )
    location = fields.String(required=True, allow_none=True)
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
