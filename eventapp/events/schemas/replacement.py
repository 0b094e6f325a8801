"""The schema of the body that replaces an event.

A client may send back a whole event as it was answered, changed or not. The fields that the server
computes are then accepted and have no effect.
"""

from typing import Any

from marshmallow import fields, post_load, validate

from eventapp.core.json import JsonObject
from eventapp.events.rules import EVENT_STATUSES, MAX_TYPES
from eventapp.events.schemas.bodies import EventBody, TicketType


def _make_ignored() -> fields.Raw:
    """Return a field that accepts any value."""
    return fields.Raw(allow_none=True, metadata={"description": "Ignored"})


COMPUTED_OF_TYPE = ("saleState", "soldTickets", "heldTickets", "capacity")
COMPUTED_OF_EVENT = (
    "_id",
    "eventId",
    "favorited",
    "organizerId",
    "createdAt",
    "updatedAt",
    "soldOut",
    "__v",
)


class TicketTypeReplacement(TicketType):
    """A ticket type of an event that replaces another; the computed fields are ignored."""

    class Meta:
        include = {name: _make_ignored() for name in COMPUTED_OF_TYPE if name != "saleState"}

    @post_load
    def drop_computed(self, data: JsonObject, **_kwargs: Any) -> JsonObject:
        """Return the fields without those that the server computes."""
        return {name: value for name, value in data.items() if name not in COMPUTED_OF_TYPE}


class EventReplacement(EventBody):
    """A whole event, as PUT takes it; the fields that the server computes are ignored."""

    ticketTypes = fields.List(
        fields.Nested(TicketTypeReplacement), required=True, validate=validate.Length(1, MAX_TYPES)
    )

    status = fields.String(
        validate=validate.OneOf(EVENT_STATUSES),
        metadata={"description": "The status that the event has; or `draft`, `published`."},
    )

    class Meta:
        include = {name: _make_ignored() for name in COMPUTED_OF_EVENT}

    @post_load
    def drop_computed(self, data: JsonObject, **_kwargs: Any) -> JsonObject:
        """Return the fields without those that the server computes."""
        return {name: value for name, value in data.items() if name not in COMPUTED_OF_EVENT}
