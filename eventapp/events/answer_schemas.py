"""The shapes of events as they go out."""

from marshmallow import Schema, fields, validate

from eventapp.core.http.fields import PageAnswer
from eventapp.events.rules import CATEGORIES, STATUSES


class TicketTypeAnswer(Schema):
    ticketTypeId = fields.Integer(required=True)
    type = fields.String(required=True)
    price = fields.Float(required=True)
    availableTickets = fields.Integer(required=True)
    soldTickets = fields.Integer()
    heldTickets = fields.Integer()
    capacity = fields.Integer()


class EntryAnswer(Schema):
    date = fields.Date(required=True)
    location = fields.String(required=True)
    lat = fields.Float()
    lng = fields.Float()


class EventAnswer(Schema):
    """An event, as every call returns it."""

    _id = fields.String(required=True)
    eventId = fields.Integer(required=True)
    title = fields.String(required=True)
    description = fields.String(required=True)
    category = fields.String(required=True, validate=validate.OneOf(CATEGORIES))
    image = fields.String(required=True)
    schedule = fields.List(fields.Nested(EntryAnswer), required=True)
    ticketTypes = fields.List(fields.Nested(TicketTypeAnswer), required=True)
    favorited = fields.Boolean(required=True)
    organizer = fields.String(required=True)
    organizerId = fields.String(required=True, allow_none=True)
    tags = fields.List(fields.String(), required=True)
    status = fields.String(required=True, validate=validate.OneOf(STATUSES))
    createdAt = fields.DateTime(required=True)
    updatedAt = fields.DateTime(required=True)
    soldOut = fields.Boolean(required=True)

    class Meta:
        include = {"__v": fields.Integer(required=True)}


class EventsAnswer(PageAnswer):
    events = fields.List(fields.Nested(EventAnswer), required=True)


class BareEventsAnswer(Schema):
    events = fields.List(fields.Nested(EventAnswer), required=True)


class TicketTypesAnswer(Schema):
    ticketTypes = fields.List(fields.Nested(TicketTypeAnswer), required=True)
