"""Schemas of tickets and check-in. Class names appear in the OpenAPI document."""

from datetime import UTC, datetime
from typing import ClassVar

from marshmallow import Schema, fields, validate

from eventapp.core.json import JsonObject
from eventapp.tickets.rules import MAX_SCANS

MAX_CODE = 400
OUTCOMES = ("checked_in", "already_checked_in", "undone", "ticket_not_found")
# The clock of a scanner that reports a time outside this range is broken.
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


class CheckInBody(Schema):
    EXAMPLE: ClassVar[JsonObject] = {"code": "the code of a ticket"}

    code = fields.String(required=True, validate=validate.Length(1, MAX_CODE))


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


class TicketAttendee(Schema):
    """Who comes with a ticket."""

    ticketId = fields.String(required=True)
    ticketTypeId = fields.Integer(required=True)
    name = fields.String(required=True)
    email = fields.String(required=True, allow_none=True)
    answers = fields.List(
        fields.Dict(),
        required=True,
        metadata={"description": "`questionId`, `label` and `value` of each."},
    )


class HolderTicket(Ticket):
    attendee = fields.Nested(TicketAttendee, required=True, allow_none=True)
    incomplete = fields.Boolean(
        required=True, metadata={"description": "Whether it is not known who comes."}
    )


class TicketsAnswer(Schema):
    tickets = fields.List(fields.Nested(HolderTicket), required=True)


class CheckedIn(Ticket):
    bookingReference = fields.String(required=True)
    scheduleId = fields.Integer(required=True, allow_none=True)
    date = fields.Date(required=True)
    startsAt = fields.DateTime(required=True, allow_none=True)
    location = fields.String(required=True)


class DoorRow(Schema):
    ticketId = fields.String(required=True)
    type = fields.String(required=True)
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
    checkedInAt = fields.DateTime()
    undoneAt = fields.DateTime()


class BatchAnswer(Schema):
    results = fields.List(fields.Nested(Outcome), required=True)
