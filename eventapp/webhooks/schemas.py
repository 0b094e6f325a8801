"""Schemas of requests and answers about webhooks, and of what is sent to them."""

from typing import ClassVar

from marshmallow import Schema, fields, validate

from eventapp.core.http.fields import (
    PageAnswer,
    PageQuery,
    PositiveInt64,
    StrictBool,
    StrictText,
)
from eventapp.core.json import JsonObject
from eventapp.webhooks.rules import DISABLERS, EVENT_TYPES, MAX_EVENTS, STATUSES, TEST_TYPE

MAX_URL = 2048
# The documents take these from here, because they may not import the rules.
SENT_TYPES, TEST = (*EVENT_TYPES, TEST_TYPE), TEST_TYPE


def _describe(text: str) -> dict[str, str]:
    return {"description": text}


def _make_url_field(*, required: bool) -> StrictText:
    control = r"\x00-\x1f\x7f-\x9f"
    pattern = rf"^[^\S{control}]*[hH][tT][tT][pP][sS]?://[^{control}]*$"
    text = "An https URL without a user name, with the port 443 or one from 1024 up."
    return StrictText(
        1, MAX_URL, required=required, metadata={"pattern": pattern, **_describe(text)}
    )


def _make_events_field(*, required: bool) -> fields.List[str]:
    return fields.List(
        fields.String(validate=validate.OneOf(EVENT_TYPES)),
        required=required,
        validate=validate.Length(1, len(EVENT_TYPES)),
        metadata=_describe("What the webhook is told of."),
    )


def _make_event_ids_field() -> fields.List[int]:
    return fields.List(
        PositiveInt64(),
        allow_none=True,
        validate=validate.Length(1, MAX_EVENTS),
        metadata=_describe("The only events that it is told of. Absent or null: all of the owner."),
    )


class WebhookBody(Schema):
    """A webhook to create."""

    EXAMPLE: ClassVar[JsonObject] = {
        "url": "https://hooks.example.org/eventapp",
        "events": ["booking.confirmed", "booking.cancelled"],
    }

    url = _make_url_field(required=True)
    events = _make_events_field(required=True)
    eventIds = _make_event_ids_field()


class WebhookPatch(Schema):
    """Changes of a webhook. What is absent stays."""

    EXAMPLE: ClassVar[JsonObject] = {"enabled": True}

    url = _make_url_field(required=False)
    events = _make_events_field(required=False)
    eventIds = _make_event_ids_field()
    enabled = StrictBool(
        metadata=_describe("True sends again, the deliveries that are pending included.")
    )


class WebhookAnswer(Schema):
    """A webhook, without its secret."""

    webhookId = fields.String(required=True)
    url = fields.String(required=True)
    events = fields.List(fields.String(validate=validate.OneOf(EVENT_TYPES)), required=True)
    eventIds = fields.List(fields.Integer(), required=True, allow_none=True)
    enabled = fields.Boolean(required=True)
    disabledAt = fields.DateTime(required=True, allow_none=True)
    disabledBy = fields.String(
        required=True,
        allow_none=True,
        validate=validate.OneOf(DISABLERS),
        metadata=_describe("`failures`: deliveries have failed for three days."),
    )
    failingSince = fields.DateTime(
        required=True,
        allow_none=True,
        metadata=_describe("The first failure since the last success."),
    )
    tokenId = fields.String(
        required=True,
        allow_none=True,
        metadata=_describe("The API token that made it, and with which it ends."),
    )
    previousSecretUntil = fields.DateTime(
        required=True,
        allow_none=True,
        metadata=_describe("Until when deliveries are signed with a replaced secret, too."),
    )
    createdAt = fields.DateTime(required=True)
    updatedAt = fields.DateTime(required=True)


class WebhookWithSecret(Schema):
    """A webhook with its new secret."""

    message = fields.String(required=True)
    secret = fields.String(required=True, metadata=_describe("It is not shown again."))
    webhook = fields.Nested(WebhookAnswer, required=True)


class WebhooksAnswer(Schema):
    webhooks = fields.List(fields.Nested(WebhookAnswer), required=True)


class DeliveriesQuery(PageQuery):
    cursor = fields.String(validate=validate.Length(1, 2000))


class AttemptAnswer(Schema):
    """An attempt to send a delivery."""

    at = fields.DateTime(required=True)
    status = fields.Integer(
        required=True, allow_none=True, metadata=_describe("The HTTP status of the answer.")
    )
    error = fields.String(
        required=True,
        allow_none=True,
        metadata=_describe("Why no answer counts, such as `timed_out`; see docs/webhooks.md."),
    )
    durationMs = fields.Integer(required=True)
    answer = fields.String(required=True, metadata=_describe("The first 1,024 bytes of it."))


class DeliveryAnswer(Schema):
    """A delivery to a webhook. It is kept for 30 days."""

    deliveryId = fields.String(
        required=True, metadata=_describe("The header `webhook-id` of every attempt.")
    )
    type = fields.String(required=True, validate=validate.OneOf(SENT_TYPES))
    eventId = fields.Integer(required=True, allow_none=True)
    sequence = fields.Integer(required=True)
    status = fields.String(required=True, validate=validate.OneOf(STATUSES))
    attempts = fields.Integer(required=True)
    createdAt = fields.DateTime(required=True)
    nextAttemptAt = fields.DateTime(required=True, allow_none=True)
    lastAttempt = fields.Nested(AttemptAnswer, required=True, allow_none=True)
    erased = fields.Boolean(
        required=True,
        metadata=_describe("Data of a person who was erased is removed; it cannot be replayed."),
    )


class DeliveriesAnswer(PageAnswer):
    deliveries = fields.List(fields.Nested(DeliveryAnswer), required=True)


class DeliveryReceipt(Schema):
    """The delivery that is sent."""

    deliveryId = fields.String(required=True)
