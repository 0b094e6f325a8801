"""The shapes of events, favorites and recommendations, in and out."""

from typing import Any, ClassVar

from marshmallow import Schema, ValidationError, fields, pre_load, validate, validates_schema

from eventapp.core.http.fields import (
    CalendarDate,
    CommaSeparatedList,
    ImageUrl,
    ObjectIdField,
    PageQuery,
    PositiveInt64,
    Price,
    StrictFloat,
    StrictInt,
    Text,
    limit_field,
)
from eventapp.events.rules import (
    CATEGORIES,
    DRAFT,
    MAX_ENTRIES,
    MAX_TAGS,
    MAX_TYPES,
    PUBLISHED,
    SORTS,
    has_duplicate_names,
    has_duplicates,
)

# A bare list is no schema of marshmallow's, so the document is told of it by hand.
MAX_CATEGORIES = 50
_CATEGORIES = {
    "type": "array",
    "maxItems": MAX_CATEGORIES,
    "items": {"type": "string", "enum": list(CATEGORIES)},
}
CATEGORIES_BODY = {"content": {"application/json": {"schema": _CATEGORIES}}}


def category(**kwargs: Any) -> fields.String:
    return fields.String(validate=validate.OneOf(CATEGORIES), **kwargs)


class Changes(Schema):
    """A body whose fields may all be left out, but not all at once."""

    class Meta:
        json_schema: ClassVar[dict[str, Any]] = {"minProperties": 1}

    @validates_schema
    def something(self, data: dict[str, Any], **_kwargs: Any) -> None:
        if not data:
            raise ValidationError("Send at least one field.")


class ScheduleEntryPatch(Changes):
    date = CalendarDate()
    location = Text(1, 200)
    lat = StrictFloat(-90, 90)
    lng = StrictFloat(-180, 180)


class ScheduleEntry(ScheduleEntryPatch):
    date = CalendarDate(required=True)
    location = Text(1, 200, required=True)


class TicketTypeIndexPatch(Changes):
    type = Text(1, 100)
    price = Price()
    availableTickets = StrictInt()


class TicketTypePatch(TicketTypeIndexPatch):
    capacity = StrictInt()

    class Meta:
        json_schema: ClassVar[dict[str, Any]] = {
            "minProperties": 1,
            "not": {"required": ["availableTickets", "capacity"]},
        }

    @validates_schema
    def one_amount(self, data: dict[str, Any], **_kwargs: Any) -> None:
        if "availableTickets" in data and "capacity" in data:
            raise ValidationError("Send availableTickets or capacity.", "capacity")


class NewTicketType(TicketTypePatch):
    type = Text(1, 100, required=True)
    price = Price(required=True)

    class Meta:
        json_schema: ClassVar[dict[str, Any]] = {
            "oneOf": [{"required": ["availableTickets"]}, {"required": ["capacity"]}]
        }

    @validates_schema
    def an_amount(self, data: dict[str, Any], **_kwargs: Any) -> None:
        if "availableTickets" not in data and "capacity" not in data:
            raise ValidationError("Missing data for required field.", "availableTickets")


class TicketType(Schema):
    ticketTypeId = StrictInt(1)
    type = Text(1, 100, required=True)
    price = Price(required=True)
    availableTickets = StrictInt(required=True)


class EventBody(Schema):
    """A whole event, as POST and PUT take it."""

    title = Text(1, 200, required=True)
    description = Text(0, 10_000, multiline=True, load_default="")
    category = category(required=True)
    image = ImageUrl(2000, load_default="")
    schedule = fields.List(
        fields.Nested(ScheduleEntry), required=True, validate=validate.Length(1, MAX_ENTRIES)
    )
    ticketTypes = fields.List(
        fields.Nested(TicketType), required=True, validate=validate.Length(1, MAX_TYPES)
    )
    organizer = Text(1, 200, required=True)
    tags = fields.List(Text(1, 50), load_default=list, validate=validate.Length(0, MAX_TAGS))
    status = fields.String(validate=validate.OneOf((DRAFT, PUBLISHED)))

    @validates_schema
    def distinct_types(self, data: dict[str, Any], **_kwargs: Any) -> None:
        kinds = data.get("ticketTypes", [])
        ids = [kind["ticketTypeId"] for kind in kinds if "ticketTypeId" in kind]
        if has_duplicate_names(kinds) or has_duplicates(ids):
            raise ValidationError("Each ticket type must have its own name.", "ticketTypes")


class EventQuery(PageQuery):
    """The filters of `GET /events`, all optional and all combined."""

    search = Text(0, 200)
    city = Text(0, 100)
    category = category()
    dateFrom = CalendarDate()
    dateTo = CalendarDate()
    availableOnly = fields.Boolean(load_default=False)
    upcoming = fields.Boolean(load_default=True)
    minPrice = fields.Float(validate=validate.Range(0, 1e9))
    maxPrice = fields.Float(validate=validate.Range(0, 1e9))
    tags = CommaSeparatedList()
    organizerId = ObjectIdField()
    mine = fields.Boolean(load_default=False)
    sortBy = fields.String(validate=validate.OneOf(SORTS))
    sortOrder = fields.String(validate=validate.OneOf(("asc", "desc")))
    order = fields.String(validate=validate.OneOf(("asc", "desc")))
    cursor = fields.String(validate=validate.Length(1, 10_000))


class PopularQuery(Schema):
    limit = limit_field()


class FavoriteBody(Schema):
    eventId = PositiveInt64(required=True)


class Recommendation(Schema):
    """A bare list of categories; as `categories` once it is loaded."""

    categories = fields.List(category(), required=True, validate=validate.Length(0, MAX_CATEGORIES))

    @pre_load
    def wrap(self, data: Any, **_kwargs: Any) -> dict[str, Any]:
        if not isinstance(data, list):
            raise ValidationError("Send a list of categories.")
        return {"categories": data}
