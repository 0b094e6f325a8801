"""Describe in the OpenAPI document what is sent to webhooks, in its section `webhooks`."""

from collections.abc import Mapping

from apispec import APISpec

from eventapp.core.json import JsonObject
from eventapp.webhooks.schemas import SENT_TYPES, TEST

_SUMMARIES: Mapping[str, str] = {
    "booking.confirmed": "A booking is confirmed",
    "booking.cancelled": "A booking, or some of its tickets, are cancelled",
    "booking.refunded": "A refund of a booking is paid",
    "ticket.checked_in": "A ticket is checked in at the door",
    "waitlist.offered": "Tickets are offered to somebody on the waitlist",
    "event.updated": "An event is edited or published",
    "event.cancelled": "An event is cancelled",
    TEST: "The owner of the webhook asks for a test",
}
_HEADERS: Mapping[str, str] = {
    "webhook-id": "The id of the delivery, the same in every attempt and replay.",
    "webhook-timestamp": "The time of the attempt, in seconds since 1970.",
    "webhook-signature": "One or more signatures `v1,...`, separated by spaces.",
}
_SEQUENCE: JsonObject = {
    "type": "integer",
    "description": (
        "Rises for each webhook and event, in the order in which a booking changed. "
        "Numbers may be missing. 0 in a test."
    ),
}


def _describe_object(**properties: JsonObject) -> JsonObject:
    return {"type": "object", "required": list(properties), "properties": properties}


_TICKET = _describe_object(
    ticketId={"type": "string"},
    ticketTypeId={"type": "integer"},
    type={
        "type": ["string", "null"],
        "description": "The name of its type; null if it was cancelled meanwhile.",
    },
    name={
        "type": ["string", "null"],
        "description": "Who comes with it; null if that is not known, or not shown.",
    },
    checkedInAt={
        "type": ["string", "null"],
        "format": "date-time",
        "description": "Null if the check-in was undone meanwhile.",
    },
)


def document_webhooks(spec: APISpec) -> None:
    """Add the section to the document. Call it after all blueprints are registered."""
    spec.options["webhooks"] = {type_: {"post": _describe_delivery(type_)} for type_ in SENT_TYPES}


def _describe_delivery(type_: str) -> JsonObject:
    return {
        "summary": _SUMMARIES[type_],
        "operationId": f"webhook_{type_.replace('.', '_')}",
        "tags": ["Webhooks"],
        "parameters": [
            {
                "in": "header",
                "name": name,
                "required": True,
                "description": description,
                "schema": {"type": "string"},
            }
            for name, description in _HEADERS.items()
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _describe_payload(type_)}},
        },
        "responses": {"2XX": {"description": "It is accepted, and not sent again."}},
    }


def _describe_payload(type_: str) -> JsonObject:
    return _describe_object(
        type={"type": "string", "const": type_},
        timestamp={
            "type": "string",
            "format": "date-time",
            "description": "When it happened.",
        },
        data=_describe_object(sequence=_SEQUENCE, **_describe_subject(type_)),
    )


def _describe_subject(type_: str) -> JsonObject:
    """Return what the data of a payload has besides the sequence."""
    if type_ == TEST:
        return {"webhookId": {"type": "string"}}
    event_id = {"type": "integer"}
    if type_.startswith("event."):
        return {"eventId": event_id, "event": {"$ref": "#/components/schemas/EventAnswer"}}
    booking = {"$ref": "#/components/schemas/BookingAnswer"}
    if type_ == "ticket.checked_in":
        return {"eventId": event_id, "ticket": _TICKET, "booking": booking}
    return {"eventId": event_id, "booking": booking}
