"""Schemas of the queries of lists of events, and of what can be booked of an event."""

from typing import Any

from marshmallow import (
    Schema,
    ValidationError,
    fields,
    post_load,
    validate,
    validates_schema,
)

from eventapp.core.http.fields import CommaSeparatedList, PageQuery, StrictText, make_limit_field
from eventapp.core.http.request_parser import parse_list_query
from eventapp.core.json import MAX_INT64, JsonObject
from eventapp.events.filters import PARAMETERS
from eventapp.events.list_requests import FACET_NAMES, ListRequest, make_list_request
from eventapp.events.rules import SORTS

# The characters of a text that is to be completed.
MIN_TYPED, MAX_TYPED = 2, 40


class EventListFilters(Schema):
    """What a cursor of the list of events carries: all filters and the order."""

    search = StrictText(
        0,
        200,
        metadata={
            "description": "Any of these words in title, tags, organizer, locations, description. "
            'The last one may be a prefix. "A phrase" must occur as a whole, and -a word must not. '
            "Case, accents, apostrophes and hyphens do not matter. The best match comes first, "
            "unless `sortBy` is set."
        },
    )
    upcoming = fields.Boolean(load_default=True)
    mine = fields.Boolean(load_default=False)
    sortBy = fields.String(validate=validate.OneOf(SORTS))
    sortOrder = fields.String(validate=validate.OneOf(("asc", "desc")))
    order = fields.String(validate=validate.OneOf(("asc", "desc")))

    class Meta:
        include = PARAMETERS

    @validates_schema
    def check_place(self, data: JsonObject, **_kwargs: Any) -> None:
        """Raise ValidationError if parameters of a place need or exclude one another."""
        errors = {}
        if "near" in data and "bbox" in data:
            errors["bbox"] = ["Send near or bbox, not both."]
        if "near" not in data and "radius" in data:
            errors["radius"] = ["Needs near."]
        if "near" not in data and data.get("sortBy") == "distance":
            errors["sortBy"] = ["distance needs near."]
        if errors:
            raise ValidationError(errors)


class FacetNames(CommaSeparatedList):
    """Names of facets, each once."""

    def __init__(self) -> None:
        word = rf" *(?:{'|'.join(FACET_NAMES)})? *"
        pattern = rf"^{word}(?:,{word}){{0,19}}$"
        description = (
            "Values by which the list can be narrowed, with the number of events that each would "
            f"leave: `{','.join(FACET_NAMES)}`, each once. A cursor does not carry it."
        )
        super().__init__(metadata={"pattern": pattern, "description": description})

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[str]:
        names = super()._deserialize(value, attr, data, **kwargs)
        validate.ContainsOnly(FACET_NAMES)(names)
        if len(set(names)) < len(names):
            raise ValidationError("Each must be there once.")
        return names


class EventQuery(EventListFilters, PageQuery):
    """The query of the list of events, loaded as a `ListRequest`. All filters are combined."""

    cursor = fields.String(validate=validate.Length(1, 10_000))
    facets = FacetNames()

    @post_load(pass_original=True)
    def make_request(self, data: JsonObject, original: JsonObject, **_kwargs: Any) -> ListRequest:
        """Return the request. The filters of a cursor replace those sent with it."""
        filters, position = parse_list_query(data, EventListFilters)
        sent = original if position is None else position["query"]
        return make_list_request(
            filters,
            page=data["page"],
            limit=data["limit"],
            facets=data.get("facets", ()),
            position=position,
            cursor_query={name: sent[name] for name in sent if name in CARRIED_PARAMETERS},
        )


CARRIED_PARAMETERS = frozenset(EventListFilters().fields)


class FeedQuery(EventListFilters):
    """The filters of a calendar feed: those of the list of events that narrow what everyone sees.

    A feed has its own order, and only what is not over.
    """

    class Meta(EventListFilters.Meta):
        exclude = ("upcoming", "mine", "sortBy", "sortOrder", "order")


class OrganizerEventsQuery(PageQuery):
    """The page of the list of an organizer's upcoming events."""

    cursor = fields.String(validate=validate.Length(1, 2000))


class PopularQuery(Schema):
    """The query of the most popular events."""

    limit = make_limit_field()


class TypedText(StrictText):
    """The beginning of a text, of 2 to 40 characters without the spaces around it."""

    def __init__(self) -> None:
        character = r"[^\s\x00-\x1f\x7f-\x9f]"
        within = r"[^\x00-\x1f\x7f-\x9f]*"
        pattern = f"^{within}{character}{within}{character}{within}$"
        super().__init__(1, MAX_TYPED, required=True, metadata={"pattern": pattern})

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = value.strip() if isinstance(value, str) else value
        typed = super()._deserialize(text, attr, data, **kwargs)
        validate.Length(MIN_TYPED)(text)
        return typed


class SuggestQuery(Schema):
    """What was typed, to complete it."""

    q = TypedText()


class AvailabilityQuery(PageQuery):
    """Filters and page of a list of what can be booked of an event."""

    scheduleId = fields.Integer(
        validate=validate.Range(1, MAX_INT64), metadata={"description": "Only this date."}
    )
    ticketTypeId = fields.Integer(
        validate=validate.Range(1, MAX_INT64), metadata={"description": "Only this ticket type."}
    )
    cursor = fields.String(validate=validate.Length(1, 2000))
