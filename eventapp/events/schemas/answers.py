"""Schemas of the answers about events."""

from typing import get_args

from marshmallow import Schema, fields, validate

from eventapp.core.http.fields import PageAnswer
from eventapp.events.question_types import QuestionKind
from eventapp.events.rules import CATEGORIES, EVENT_STATUSES
from eventapp.events.ticket_types import SALE_STATES, VISIBILITIES


class TicketTypeAnswer(Schema):
    """A ticket type; the last four fields only for the event's organizer and admins."""

    ticketTypeId = fields.Integer(required=True)
    type = fields.String(required=True)
    price = fields.Float(required=True)
    availableTickets = fields.Integer(
        required=True,
        metadata={
            "description": "The most that anybody can book for one date, after its quotas; for the "
            "organizer and admins, the stored number, which PATCH sets"
        },
    )
    saleState = fields.String(
        required=True,
        validate=validate.OneOf(SALE_STATES),
        metadata={
            "description": "`scheduled` before the sale and for drafts, `ended` after the sale and "
            "for events that are cancelled or over, `sold_out` if nobody can buy one now."
        },
    )
    description = fields.String()
    salesFrom = fields.DateTime()
    salesUntil = fields.DateTime()
    minPerBooking = fields.Integer()
    maxPerBooking = fields.Integer()
    maxPerUser = fields.Integer()
    visibility = fields.String(validate=validate.OneOf(VISIBILITIES))
    soldTickets = fields.Integer()
    heldTickets = fields.Integer()
    capacity = fields.Integer()


class EntryAnswer(Schema):
    """A schedule entry. The times are local in its zone, `startsAt` and `endsAt` are in UTC."""

    scheduleId = fields.Integer(required=True)
    date = fields.Date(required=True)
    startTime = fields.String()
    endTime = fields.String(metadata={"description": "On the next day, if not after startTime"})
    doorsTime = fields.String(metadata={"description": "On the date before, if after startTime"})
    timezone = fields.String(required=True, metadata={"description": "IANA name"})
    location = fields.String(required=True)
    lat = fields.Float()
    lng = fields.Float()
    startsAt = fields.DateTime(metadata={"description": "If startTime is known"})
    endsAt = fields.DateTime(metadata={"description": "If startTime and endTime are known"})


class QuestionAnswer(Schema):
    """A question that each attendee is asked."""

    questionId = fields.Integer(required=True)
    label = fields.String(required=True)
    kind = fields.String(required=True, validate=validate.OneOf(get_args(QuestionKind)))
    required = fields.Boolean(required=True)
    choices = fields.List(fields.String(), metadata={"description": "Of the kind `choice`."})
    ticketTypeIds = fields.List(fields.Integer(), metadata={"description": "Absent for all."})


class EventAnswer(Schema):
    """An event, as every route answers it."""

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
    status = fields.String(required=True, validate=validate.OneOf(EVENT_STATUSES))
    createdAt = fields.DateTime(required=True)
    updatedAt = fields.DateTime(required=True)
    questions = fields.List(
        fields.Nested(QuestionAnswer),
        metadata={"description": "Absent without questions for ticket types that are shown."},
    )
    soldOut = fields.Boolean(required=True)

    class Meta:
        include = {"__v": fields.Integer(required=True)}


class ListedEventAnswer(EventAnswer):
    """An event in a page of events."""

    distanceKm = fields.Float(
        metadata={
            "description": "From the position `near` to the nearest date that matches all filters, "
            "rounded to 10 m. Absent without `near`.",
            "minimum": 0,
        }
    )


class EventsAnswer(PageAnswer):
    """A page of events."""

    events = fields.List(fields.Nested(ListedEventAnswer), required=True)
    corrected = fields.String(
        metadata={
            "description": "What was searched for instead, because no event has a word of the "
            "search; absent if it was not corrected."
        }
    )


class FacetQuery(Schema):
    """Parameters of the list that narrow it to the value of a facet."""

    category = fields.String()
    city = fields.String()
    tags = fields.String()
    dateFrom = fields.String()
    dateTo = fields.String()
    minPrice = fields.String()
    maxPrice = fields.String()


class FacetValue(Schema):
    """A value of a facet, with the total of the list that its query narrows."""

    value = fields.String(required=True)
    count = fields.Integer(required=True, metadata={"description": "At most 10,000."})
    countIsCapped = fields.Boolean(metadata={"description": "True if there are more."})
    query = fields.Nested(
        FacetQuery,
        required=True,
        metadata={"description": "Replaces the parameters of the facet in the request."},
    )


class FacetsAnswer(Schema):
    """The facets that the request names, each with at most 20 values, the highest count first."""

    category = fields.List(fields.Nested(FacetValue))
    city = fields.List(
        fields.Nested(FacetValue),
        metadata={"description": "The texts after the last comma of locations."},
    )
    tags = fields.List(fields.Nested(FacetValue))
    month = fields.List(
        fields.Nested(FacetValue), metadata={"description": "Calendar months, as `2027-03`."}
    )
    price = fields.List(
        fields.Nested(FacetValue),
        metadata={
            "description": "Prices of ticket types: `0`, `0-10` (more than 0, up to 10), `10-25`, "
            "`25-50`, `50-100`, `100-` (more than 100). An event counts for each of its types."
        },
    )


class FacetedEventsAnswer(EventsAnswer):
    """A page of events, with the facets that the request names."""

    facets = fields.Nested(FacetsAnswer)


class BareEventsAnswer(Schema):
    """Events without pages."""

    events = fields.List(fields.Nested(EventAnswer), required=True)


class TitleSuggestion(Schema):
    """A suggested title, with the lowest eventId of the upcoming events that have it."""

    eventId = fields.Integer(required=True)
    title = fields.String(required=True)


class SuggestionsAnswer(Schema):
    """Texts of upcoming events that begin with what was typed, or contain it.

    At most five of each kind: first the texts that begin with it, then those of more events, then
    titles by their eventId and other texts by the alphabet. Texts that differ only in case and
    accents are one, spelled as most events spell it.
    """

    titles = fields.List(fields.Nested(TitleSuggestion), required=True)
    locations = fields.List(fields.String(), required=True)
    organizers = fields.List(fields.String(), required=True)
    categories = fields.List(fields.String(), required=True)
    tags = fields.List(fields.String(), required=True)


class TicketTypesAnswer(Schema):
    """The ticket types of an event."""

    ticketTypes = fields.List(fields.Nested(TicketTypeAnswer), required=True)


class PairAnswer(Schema):
    """What anybody can book now of one ticket type for one date, after its quotas."""

    scheduleId = fields.Integer(required=True)
    ticketTypeId = fields.Integer(required=True)
    availableTickets = fields.Integer(
        required=True,
        metadata={"description": "0 unless it is on sale, and below `minPerBooking`"},
    )
    saleState = fields.String(required=True, validate=validate.OneOf(SALE_STATES))


class AvailabilityAnswer(PageAnswer):
    """A page of what can be booked of an event."""

    availability = fields.List(fields.Nested(PairAnswer), required=True)
