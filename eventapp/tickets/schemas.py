"""Schemas of tickets and check-in. Class names appear in the OpenAPI document."""

from datetime import UTC, datetime
from typing import Any, ClassVar

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from eventapp.core.http.fields import MAX_INT64, StrictText, make_limit_field
from eventapp.core.json import JsonObject
from eventapp.tickets.rules import MAX_SCANS

MAX_CODE = 400
OUTCOMES = ("checked_in", "already_checked_in", "undone", "ticket_not_found")
# The clock of a scanner that reports a time outside this range is broken.
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


class CheckInBody(Schema):
    """The ticket to check in: by its code, or by its id from the list of the door."""

    EXAMPLE: ClassVar[JsonObject] = {"code": "the code of a ticket"}

    code = fields.String(validate=validate.Length(1, MAX_CODE))
    ticketId = fields.String(
        validate=validate.Length(1, MAX_CODE),
        metadata={"description": "In place of `code`, for a person who was found by name."},
    )

    class Meta:
        json_schema: ClassVar[dict[str, Any]] = {
            "oneOf": [{"required": ["code"]}, {"required": ["ticketId"]}]
        }

    @validates_schema
    def require_one_name(self, body: JsonObject, **_: object) -> None:
        if ("code" in body) == ("ticketId" in body):
            raise ValidationError("Send either code or ticketId.", "code")


class UndoBody(Schema):
    EXAMPLE: ClassVar[JsonObject] = {"ticketId": "65a1f0c2e4b0a1b2c3d4e5f6-1-1"}

    ticketId = fields.String(required=True, validate=validate.Length(1, MAX_CODE))


class UndoneAnswer(Schema):
    message = fields.String(required=True)
    ticketId = fields.String(required=True)
    type = fields.String(required=True)
    checkedInAt = fields.DateTime(required=True, allow_none=True)
    undoneAt = fields.DateTime(required=True)


class ScanBody(CheckInBody):
    scannedAt = fields.AwareDateTime(
        format="iso",
        default_timezone=UTC,
        required=True,
        validate=validate.Range(EARLIEST, LATEST),
    )


class BatchBody(Schema):
    EXAMPLE: ClassVar[JsonObject] = {
        "scans": [{"code": "the code of a ticket", "scannedAt": "2026-06-15T18:00:00Z"}]
    }

    scans = fields.List(
        fields.Nested(ScanBody), required=True, validate=validate.Length(1, MAX_SCANS)
    )


class Ticket(Schema):
    ticketId = fields.String(required=True)
    type = fields.String(required=True)
    code = fields.String(required=True)
    checkedInAt = fields.DateTime(required=True, allow_none=True)


class Person(Schema):
    """Who comes with a ticket."""

    name = fields.String(required=True)
    email = fields.String(required=True, allow_none=True)
    answers = fields.List(
        fields.Dict(),
        required=True,
        metadata={"description": "`questionId`, `label` and `value` of each."},
    )


class TicketAttendee(Person):
    """Who comes with a ticket of the caller."""

    ticketId = fields.String(required=True)
    ticketTypeId = fields.Integer(required=True)


class HolderTicket(Ticket):
    attendee = fields.Nested(TicketAttendee, required=True, allow_none=True)
    incomplete = fields.Boolean(
        required=True, metadata={"description": "Whether it is not known who comes."}
    )


class TicketsAnswer(Schema):
    tickets = fields.List(fields.Nested(HolderTicket), required=True)


def _make_name_field(*, required: bool = True) -> fields.String:
    return fields.String(
        required=required,
        allow_none=True,
        metadata={"description": "Of the attendee, else of the holder; null if neither is known."},
    )


class CheckedIn(Ticket):
    name = _make_name_field()
    bookingReference = fields.String(required=True)
    scheduleId = fields.Integer(required=True, allow_none=True)
    date = fields.Date(required=True)
    startsAt = fields.DateTime(required=True, allow_none=True)
    location = fields.String(required=True)


class DoorRow(Schema):
    ticketId = fields.String(required=True)
    type = fields.String(required=True)
    name = _make_name_field()
    scheduleId = fields.Integer(required=True, allow_none=True)
    date = fields.Date(required=True)
    startsAt = fields.DateTime(required=True, allow_none=True)
    checkedInAt = fields.DateTime(required=True, allow_none=True)


class DoorAnswer(Schema):
    eventId = fields.Integer(required=True)
    algorithm = fields.String(required=True, validate=validate.Equal("Ed25519"))
    publicKey = fields.String(
        required=True, metadata={"description": "32 bytes in base64url, as the x of a JWK"}
    )
    tickets = fields.List(fields.Nested(DoorRow), required=True)


class Outcome(Schema):
    status = fields.String(required=True, validate=validate.OneOf(OUTCOMES))
    ticketId = fields.String()
    type = fields.String()
    name = _make_name_field(required=False)
    checkedInAt = fields.DateTime()
    checkedInBy = fields.String(
        allow_none=True,
        metadata={
            "description": "Of `already_checked_in`, the name of the device or API token that "
            "checked the ticket in; null if a person did who was signed in, or if it has ended."
        },
    )
    undoneAt = fields.DateTime()


class BatchAnswer(Schema):
    results = fields.List(fields.Nested(Outcome), required=True)


class AttendeesQuery(Schema):
    """Filters and page of the list of attendees."""

    search = StrictText(
        1,
        100,
        metadata={
            "description": "A part of the name or the email of the attendee or of the holder, or "
            "of the booking reference."
        },
    )
    ticketTypeId = fields.Integer(validate=validate.Range(1, MAX_INT64))
    scheduleId = fields.Integer(validate=validate.Range(1, MAX_INT64))
    checkedIn = fields.Boolean()
    limit = make_limit_field()
    cursor = fields.String(validate=validate.Length(1, 2000))


class Holder(Schema):
    """Who booked or waits."""

    name = fields.String(required=True)
    email = fields.String(required=True)


class AttendeeRow(Schema):
    """A valid ticket of an event."""

    ticketId = fields.String(required=True)
    ticketTypeId = fields.Integer(required=True)
    type = fields.String(required=True)
    scheduleId = fields.Integer(required=True, allow_none=True)
    date = fields.Date(required=True)
    startsAt = fields.DateTime(required=True, allow_none=True)
    location = fields.String(required=True)
    bookingReference = fields.String(required=True)
    holder = fields.Nested(
        Holder,
        required=True,
        allow_none=True,
        metadata={"description": "Null for deleted accounts, and holders who were not told yet."},
    )
    attendee = fields.Nested(
        Person,
        required=True,
        allow_none=True,
        metadata={"description": "Null if it is not known who comes."},
    )
    checkedInAt = fields.DateTime(required=True, allow_none=True)


class AttendeesAnswer(Schema):
    """A page of the attendees of an event."""

    attendees = fields.List(fields.Nested(AttendeeRow), required=True)
    limit = fields.Integer(required=True)
    nextCursor = fields.String(required=True, allow_none=True)
