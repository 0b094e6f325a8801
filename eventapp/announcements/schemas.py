"""Schemas of requests and answers about announcements."""

from typing import ClassVar

from marshmallow import Schema, fields, validate

from eventapp.announcements.rules import MAX_SUBJECT, MAX_TEXT, STATUSES
from eventapp.core.http.fields import PageAnswer, PageQuery, StrictBool, StrictInt, Text
from eventapp.core.http.timestamps import Timestamp
from eventapp.core.json import JsonObject

MAX_TYPES, MAX_ENTRIES = 50, 366


def _describe(text: str) -> dict[str, str]:
    return {"description": text}


class HolderFilterBody(Schema):
    """Which confirmed bookings are meant. What is absent excludes none."""

    ticketTypeIds = fields.List(
        StrictInt(1),
        validate=validate.Length(1, MAX_TYPES),
        metadata=_describe("Bookings with a ticket of one of these types."),
    )
    scheduleIds = fields.List(
        StrictInt(1),
        validate=validate.Length(1, MAX_ENTRIES),
        metadata=_describe("Bookings for one of these schedule entries."),
    )
    checkedIn = StrictBool(
        metadata=_describe("Bookings of which a ticket is checked in; false: of which none is.")
    )


class AnnouncementBody(Schema):
    """A new announcement. Without `to` it is for all holders of confirmed bookings."""

    EXAMPLE: ClassVar[JsonObject] = {
        "subject": "Doors open at seven",
        "text": "The doors open an hour earlier than planned.\nBring your ticket.",
        "to": {"checkedIn": False},
    }

    subject = Text(1, MAX_SUBJECT, required=True)
    text = Text(1, MAX_TEXT, multiline=True, required=True, metadata=_describe("Plain text."))
    to = fields.Nested(HolderFilterBody, load_default=dict)
    sendAt = Timestamp(metadata=_describe("When it is sent, within a year; without it, at once."))


class AnnouncementReceipt(Schema):
    """The answer to a new announcement."""

    announcementId = fields.String(required=True)
    recipients = fields.Integer(
        required=True, metadata=_describe("Holders at this moment, each counted once.")
    )


class AnnouncementsQuery(PageQuery):
    cursor = fields.String(validate=validate.Length(1, 2000))


class HolderFilterAnswer(Schema):
    """Which confirmed bookings are meant."""

    ticketTypeIds = fields.List(fields.Integer())
    scheduleIds = fields.List(fields.Integer())
    checkedIn = fields.Boolean()


class AnnouncementAnswer(Schema):
    """An announcement, for those who manage the event."""

    announcementId = fields.String(required=True)
    eventId = fields.Integer(required=True)
    subject = fields.String(required=True)
    text = fields.String(required=True)
    to = fields.Nested(HolderFilterAnswer, required=True)
    status = fields.String(
        required=True,
        validate=validate.OneOf(STATUSES),
        metadata=_describe("`withdrawn`: the event or its organizer was gone, or is cancelled."),
    )
    createdAt = fields.DateTime(required=True)
    sendAt = fields.DateTime(required=True)
    sentAt = fields.DateTime(required=True, allow_none=True)
    recipients = fields.Integer(
        required=True, metadata=_describe("Holders when it was written, each counted once.")
    )
    notified = fields.Integer(
        required=True,
        allow_none=True,
        metadata=_describe("Holders who got the notification; null until it is sent."),
    )
    mailed = fields.Integer(
        required=True,
        allow_none=True,
        metadata=_describe("Mails to them that were put in the outbox; null until it is sent."),
    )


class AnnouncementsAnswer(PageAnswer):
    announcements = fields.List(fields.Nested(AnnouncementAnswer), required=True)
