"""Schemas of the call by which clients follow the changes of public events."""

from marshmallow import Schema, fields, validate

from eventapp.core.http.fields import MAX_LIMIT
from eventapp.core.json import MAX_INT64
from eventapp.events.schemas.answers import EventAnswer, TicketTypeAnswer


class ChangesQuery(Schema):
    """Where to go on, and how many events to name."""

    cursor = fields.String(
        validate=validate.Length(1, 1000),
        metadata={"description": "Of the last answer. Without one, all public events follow."},
    )
    limit = fields.Integer(load_default=MAX_LIMIT, validate=validate.Range(1, MAX_LIMIT))


class ChangedTicketTypeAnswer(TicketTypeAnswer):
    """A ticket type that everyone sees, without what follows from the time."""

    class Meta:
        exclude = ("saleState", "visibility", "soldTickets", "heldTickets", "capacity")


class ChangedEventAnswer(EventAnswer):
    """A public event as it was at its last change, without what follows from the time."""

    ticketTypes = fields.List(fields.Nested(ChangedTicketTypeAnswer), required=True)

    class Meta(EventAnswer.Meta):
        exclude = ("favorited",)


class ChangesAnswer(Schema):
    """What changed of the public events."""

    events = fields.List(fields.Nested(ChangedEventAnswer), required=True)
    deletedEventIds = fields.List(
        fields.Integer(validate=validate.Range(1, MAX_INT64)),
        required=True,
        metadata={"description": "Events that are deleted, or not public any more."},
    )
    nextCursor = fields.String(required=True)
    hasMore = fields.Boolean(
        required=True, metadata={"description": "Whether to ask again at once."}
    )
