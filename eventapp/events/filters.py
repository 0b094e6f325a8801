"""Declare the filters of the list of events, each in one class.

A list request contains an instance of each filter that it sets. The class defines everything about
the filter: its query parameters, the MongoDB condition, the facets that the in-memory index keeps
for it, how they are looked up, and examples. The query schema, the conditions, the index, and the
test that compares the answers of index and database are made from `FILTERS`. The filters that one
schedule entry must satisfy are in `entry_filters`.

To add a filter, see "How to add a filter to the list of events" in docs/architecture.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

from bson import ObjectId
from marshmallow import ValidationError, fields, validate

from eventapp.core.database import Query
from eventapp.core.http.fields import CommaSeparatedList, ObjectIdField
from eventapp.core.json import JsonObject
from eventapp.core.textsearch import fold_text
from eventapp.events.entry_filters import CityFilter, DateFilter
from eventapp.events.filter_types import EntryFilter, EventFilter, Filter
from eventapp.events.index.postings import Facets, FacetSpec, PostingList
from eventapp.events.offer_conditions import IS_PUBLIC, make_offer_condition, make_range_condition
from eventapp.events.place_filters import BoxFilter, NearFilter
from eventapp.events.rules import CATEGORIES, PUBLISHED
from eventapp.events.ticket_types import EARLIEST, find_offer_ends, list_buyable_windows
from eventapp.events.types import IndexedEvent

MAX_PRICE_FILTER = 1e9


class CategoryName(fields.String):
    """One of the categories, in any case."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(validate=validate.OneOf(CATEGORIES), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        name: str = super()._deserialize(value, attr, data, **kwargs)
        return name.strip().lower()


@dataclass(frozen=True)
class CategoryFilter(EventFilter):
    """Events of one category."""

    category: str

    parameters = {"category": CategoryName()}
    categories = FacetSpec[str](lambda event, _now: [event["category"]])
    facets = (categories,)
    facet_fields = ("category",)
    examples = ({"category": "concert"}, {"category": "theater"})

    @classmethod
    def from_query(cls, query: JsonObject) -> Self | None:
        category = query.get("category")
        return None if category is None else cls(category)

    def make_condition(self) -> Query:
        return {"category": self.category}

    def look_up(self, facets: Facets[IndexedEvent]) -> list[list[PostingList]]:
        return [facets[self.categories].equal_to(self.category)]


@dataclass(frozen=True)
class CategoriesFilter(EventFilter):
    """Events of one of several categories, which recommendations ask for; it has no parameter."""

    categories: tuple[str, ...]

    parameters = {}
    facet_fields = ()
    examples = ()

    @classmethod
    def from_query(cls, query: JsonObject) -> Self | None:  # noqa: ARG003
        return None

    def make_condition(self) -> Query:
        return {"category": {"$in": list(self.categories)}}

    def look_up(self, facets: Facets[IndexedEvent]) -> list[list[PostingList]]:
        found = facets[CategoryFilter.categories]
        return [[each for name in self.categories for each in found.equal_to(name)]]


@dataclass(frozen=True)
class TagsFilter(EventFilter):
    """Events that have each of some tags, without regard to case and accents.

    Attributes:
        tag_keys: the folded tags, one or more.
    """

    tag_keys: tuple[str, ...]

    parameters = {"tags": CommaSeparatedList()}
    tags = FacetSpec[str](lambda event, _now: event["tagKeys"])
    facets = (tags,)
    facet_fields = ("tagKeys",)
    examples = ({"tags": "jazz"}, {"tags": "Jazz,night"})

    @classmethod
    def from_query(cls, query: JsonObject) -> Self | None:
        tag_keys = tuple(fold_text(tag) for tag in query.get("tags", ()))
        # An empty list sets no filter.
        return None if tag_keys == () else cls(tag_keys)

    def make_condition(self) -> Query:
        return {"tagKeys": {"$all": list(self.tag_keys)}}

    def look_up(self, facets: Facets[IndexedEvent]) -> list[list[PostingList]]:
        return [facets[self.tags].equal_to(tag_key) for tag_key in self.tag_keys]


@dataclass(frozen=True)
class OrganizerFilter(EventFilter):
    """Events of one organizer."""

    organizer_id: ObjectId

    parameters = {"organizerId": ObjectIdField()}
    organizers = FacetSpec[ObjectId](
        lambda event, _now: [] if event["organizerId"] is None else [event["organizerId"]]
    )
    facets = (organizers,)
    facet_fields = ("organizerId",)
    examples = ({"organizerId": "65f000000000000000000001"},)

    @classmethod
    def from_query(cls, query: JsonObject) -> Self | None:
        organizer_id = query.get("organizerId")
        return None if organizer_id is None else cls(organizer_id)

    def make_condition(self) -> Query:
        return {"organizerId": self.organizer_id}

    def look_up(self, facets: Facets[IndexedEvent]) -> list[list[PostingList]]:
        return [facets[self.organizers].equal_to(self.organizer_id)]


def _get_prices_with_tickets(event: IndexedEvent, now: datetime) -> list[float]:
    pairs = zip(event["ticketTypes"], find_offer_ends(event), strict=True)
    return [each["price"] for each, end in pairs if end and end > now]


@dataclass(frozen=True)
class PriceFilter(EventFilter):
    """Events with a public type whose price is in a range, that has tickets left, or both.

    This is one filter, because the same ticket type must meet both conditions.

    Attributes:
        low, high: the range of prices, both included; None is no bound.
        available_only: anybody must be able to book a ticket of the type for an entry that is not
            over, after its quotas.
        moment: "now" in whole seconds; the earliest time unless `available_only` is set.
    """

    low: float | None
    high: float | None
    available_only: bool
    moment: datetime = EARLIEST

    parameters = {
        "minPrice": fields.Float(validate=validate.Range(0, MAX_PRICE_FILTER)),
        "maxPrice": fields.Float(validate=validate.Range(0, MAX_PRICE_FILTER)),
        "availableOnly": fields.Boolean(load_default=False),
    }
    prices = FacetSpec[float](lambda event, _now: [each["price"] for each in event["ticketTypes"]])
    prices_with_tickets = FacetSpec[float](_get_prices_with_tickets)
    has_tickets = FacetSpec[bool](lambda event, now: [bool(_get_prices_with_tickets(event, now))])
    facets = (prices, prices_with_tickets, has_tickets)
    facet_fields = ("ticketTypes.price",)
    examples = (
        {"minPrice": "12.5"},
        {"maxPrice": "20"},
        {"minPrice": "5", "maxPrice": "40"},
        {"availableOnly": "true"},
        {"maxPrice": "30", "availableOnly": "true"},
    )

    @classmethod
    def from_query(cls, query: JsonObject) -> Self | None:
        low, high = query.get("minPrice"), query.get("maxPrice")
        available_only = query.get("availableOnly", False)
        is_set = low is not None or high is not None or available_only
        return cls(low, high, available_only) if is_set else None

    def at(self, moment: datetime) -> Filter:
        if not self.available_only:
            return self
        return replace(self, moment=moment.replace(microsecond=0))

    def make_condition(self) -> Query:
        if self.available_only:
            return make_offer_condition(self.moment, self.low, self.high, in_window=False)
        ticket_type = {**IS_PUBLIC, "price": make_range_condition(self.low, self.high)}
        return {"ticketTypes": {"$elemMatch": ticket_type}}

    def look_up(self, facets: Facets[IndexedEvent]) -> list[list[PostingList]]:
        if self.low is None and self.high is None:
            return [facets[self.has_tickets].equal_to(True)]
        prices = facets[self.prices_with_tickets if self.available_only else self.prices]
        return [prices.between(self.low, self.high)]


@dataclass(frozen=True)
class OnSaleFilter(EventFilter):
    """Events with a public ticket type that can be bought now.

    Attributes:
        moment: "now" in whole seconds, so that the requests of a second share a cached page.
    """

    moment: datetime = EARLIEST

    parameters = {
        "onSale": fields.Boolean(
            load_default=False,
            metadata={"description": "Only events of which a ticket can be bought now."},
        )
    }
    windows = FacetSpec[tuple[datetime, datetime]](lambda event, _now: list_buyable_windows(event))
    facets = (windows,)
    facet_fields = ("ticketTypes.salesFrom", "ticketTypes.salesUntil")
    examples = ({"onSale": "true"},)

    @classmethod
    def from_query(cls, query: JsonObject) -> Self | None:
        return cls() if query.get("onSale", False) else None

    def at(self, moment: datetime) -> Filter:
        return replace(self, moment=moment.replace(microsecond=0))

    def make_condition(self) -> Query:
        return {"status": PUBLISHED, **make_offer_condition(self.moment, in_window=True)}

    def look_up(self, facets: Facets[IndexedEvent]) -> list[list[PostingList]]:
        # The index contains only published events. A window ends with its last offer.
        return [facets[self.windows].where(lambda window: window[0] <= self.moment < window[1])]


FILTERS: tuple[type[Filter], ...] = (
    CategoryFilter,
    CityFilter,
    TagsFilter,
    OrganizerFilter,
    DateFilter,
    PriceFilter,
    OnSaleFilter,
    NearFilter,
    BoxFilter,
)
PARAMETERS = {name: field for each in FILTERS for name, field in each.parameters.items()}
FACETS = tuple(spec for each in FILTERS for spec in each.facets)
ENTRY_FACETS = tuple(spec for each in FILTERS for spec in each.entry_facets)
ENTRY_FACET_FIELDS = tuple(
    dict.fromkeys(
        name for each in FILTERS if issubclass(each, EntryFilter) for name in each.facet_fields
    )
)
FACET_FIELDS = tuple(dict.fromkeys(name for each in FILTERS for name in each.facet_fields))


def make_filters(query: JsonObject) -> tuple[Filter, ...]:
    """Return the filters that the loaded query parameters set."""
    found = (each.from_query(query) for each in FILTERS)
    return tuple(each for each in found if each is not None)


def load_filter(filter_class: type[Filter], query: Mapping[str, str]) -> Filter | None:
    """Return the filter of this class that parameters set, as a client would send them.

    Returns:
        None if they set no such filter, or if the API would refuse them.
    """
    try:
        loaded = {name: filter_class.parameters[name].deserialize(query[name]) for name in query}
    except ValidationError:
        return None
    return filter_class.from_query(loaded)


def load_parameters(parameters: Mapping[str, str]) -> tuple[JsonObject, set[str]]:
    """Load parameters of filters one by one, for addresses that anybody may have typed.

    Args:
        parameters: their values as a client sends them; each is a name of PARAMETERS.

    Returns:
        The loaded values, as `make_filters` takes them, and the names of those that the API would
        refuse.
    """
    loaded, refused = {}, set()
    for name, value in parameters.items():
        try:
            loaded[name] = PARAMETERS[name].deserialize(value)
        except ValidationError:
            refused.add(name)
    return loaded, refused
