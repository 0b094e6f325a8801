"""Count the values by which a list of events can be narrowed: its facets.

Each value has a query, the parameters that narrow the list to it, and a count. The count is the
total of the same list with the filter of the facet replaced by this query. It is found as the list
finds its total, so the two are equal whatever the filters mean and whoever answers. An event counts
for each value that it meets.

Which cities, tags and months are counted follows from the texts of the events: the most frequent
ones in the list without the filter of the facet. The filter by city looks for its text anywhere in
a location, so the count of a city may include events elsewhere whose location contains its name.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np

from eventapp.core.database import Db, Query
from eventapp.core.json import JsonObject
from eventapp.core.paging import COUNT_LIMIT
from eventapp.events import list_pages
from eventapp.events.entry_filters import CityFilter, DateFilter
from eventapp.events.filter_types import Filter
from eventapp.events.filters import CategoryFilter, PriceFilter, TagsFilter, load_filter
from eventapp.events.index.facet_texts import FacetTexts, TextFacet
from eventapp.events.index.live_index import LiveIndex
from eventapp.events.index.text_table import TextCount, TextTable
from eventapp.events.list_pages import FoundPage
from eventapp.events.list_requests import ListRequest
from eventapp.events.rules import CATEGORIES

# The most values that a facet shows.
MAX_VALUES = 20
# How many of the most frequent texts the index counts: more than are shown, because the order by
# count may be another one. The database counts MAX_VALUES of them, each by a query of its own.
MAX_CANDIDATES = 30
# The most events from whose texts the values are chosen where the database answers.
MAX_READ = 2_000
# The prices of a ticket, each range without those before it. Prices have two decimals.
PRICES: tuple[tuple[str, Mapping[str, str]], ...] = (
    ("0", {"minPrice": "0", "maxPrice": "0"}),
    ("0-10", {"minPrice": "0.01", "maxPrice": "10"}),
    ("10-25", {"minPrice": "10.01", "maxPrice": "25"}),
    ("25-50", {"minPrice": "25.01", "maxPrice": "50"}),
    ("50-100", {"minPrice": "50.01", "maxPrice": "100"}),
    ("100-", {"minPrice": "100.01"}),
)


class Candidate(NamedTuple):
    """A value of a facet that may be shown.

    Attributes:
        value: as it is shown.
        query: the query parameters that narrow a list to it.
    """

    value: str
    query: Mapping[str, str]


def add_facets(
    db: Db,
    page: FoundPage,
    request: ListRequest,
    today: date,
    index: LiveIndex,
    own_scope: Query | None = None,
) -> FoundPage:
    """Return the page with the facets that the request names, if any; arguments as for `find_page`.

    The facets are `{name: [{value, count, countIsCapped?, query}]}`, the highest count first. Equal
    counts are in the order of the categories, prices and months, else of the folded texts.
    """
    if not request.facets:
        return page
    counter = _FacetCounter(db, request, today, index, own_scope)
    facets = {name: counter.count_values(name) for name in request.facets}
    return page._replace(envelope={**page.envelope, "facets": facets})


class _FacetCounter:
    """Counts the facets of one list."""

    def __init__(
        self, db: Db, request: ListRequest, today: date, index: LiveIndex, own_scope: Query | None
    ) -> None:
        self._db, self._today, self._index, self._own_scope = db, today, index, own_scope
        self._request = request._replace(position=None, page=1)
        # The texts of the database for these filters.
        self._texts_read = dict[tuple[Filter, ...], tuple[FacetTexts, int]]()

    def count_values(self, facet: str) -> list[JsonObject]:
        """Return the values of a facet as they are answered."""
        filter_class, list_candidates = _FACETS[facet]
        others = tuple(each for each in self._request.filters if type(each) is not filter_class)
        counted: list[tuple[int, Candidate]] = []
        for candidate in list_candidates(self, others):
            narrowed = self._make_filter(filter_class, candidate.query)
            count = self._count((*others, narrowed)) if narrowed else 0
            if count:
                counted.append((count, candidate))
        counted.sort(key=lambda each: -min(each[0], COUNT_LIMIT))
        return [_present(count, candidate) for count, candidate in counted[:MAX_VALUES]]

    def _make_filter(self, filter_class: type[Filter], query: Mapping[str, str]) -> Filter | None:
        """Return the filter of a query; None if the API would refuse the query.

        The ticket type with the price must be available if the list requires that of its types.
        """
        made = load_filter(filter_class, query)
        if not isinstance(made, PriceFilter):
            return made
        set_filters = self._request.filters
        current = next((each for each in set_filters if isinstance(each, PriceFilter)), made)
        return replace(current, low=made.low, high=made.high)

    def _count(self, filters: tuple[Filter, ...]) -> int:
        request = self._request._replace(filters=filters)
        return list_pages.count_rows(self._db, request, self._today, self._index, self._own_scope)

    def find_texts(self, facet: TextFacet, filters: tuple[Filter, ...]) -> list[TextCount]:
        """Return the most frequent texts of the list with these filters, by their keys."""
        found: list[TextCount] | None = None
        if self._request.upcoming and not self._request.mine:
            found = self._index.find_frequent_texts(
                facet, filters, self._request.search, self._today, MAX_CANDIDATES
            )
        if found is None:
            texts, row_count = self._read_texts(filters)
            found = texts.find_most_frequent(facet, np.ones(row_count, np.bool_), MAX_VALUES)
        return sorted(found, key=lambda each: each.key)

    def _read_texts(self, filters: tuple[Filter, ...]) -> tuple[FacetTexts, int]:
        """Return texts of the list with these filters from the database, and of how many rows."""
        if filters not in self._texts_read:
            tags = TextTable()
            texts = FacetTexts(tags)
            request = self._request._replace(filters=filters)
            events = list_pages.read_row_texts(
                self._db, request, self._today, self._index, self._own_scope, MAX_READ
            )
            for event in events:
                tags.add(event["tags"])
                texts.add(event)
            self._texts_read[filters] = texts, len(events)
        return self._texts_read[filters]


def _present(count: int, candidate: Candidate) -> JsonObject:
    value: JsonObject = {"value": candidate.value, "count": min(count, COUNT_LIMIT)}
    if count > COUNT_LIMIT:
        value["countIsCapped"] = True
    return {**value, "query": dict(candidate.query)}


# The candidates of each facet, in the order of equal counts.


def _list_categories(_counter: _FacetCounter, _others: tuple[Filter, ...]) -> Iterable[Candidate]:
    return [Candidate(category, {"category": category}) for category in CATEGORIES]


def _list_prices(_counter: _FacetCounter, _others: tuple[Filter, ...]) -> Iterable[Candidate]:
    return [Candidate(value, query) for value, query in PRICES]


def _list_cities(counter: _FacetCounter, others: tuple[Filter, ...]) -> Iterable[Candidate]:
    found = counter.find_texts("city", others)
    return [Candidate(each.text, {"city": each.text}) for each in found]


def _list_tags(counter: _FacetCounter, others: tuple[Filter, ...]) -> Iterable[Candidate]:
    found = counter.find_texts("tags", others)
    # A comma separates the tags of the parameter, so no query finds a tag that contains one.
    return [Candidate(each.text, {"tags": each.text}) for each in found if "," not in each.text]


def _list_months(counter: _FacetCounter, others: tuple[Filter, ...]) -> Iterable[Candidate]:
    for each in counter.find_texts("month", others):
        first = date.fromisoformat(f"{each.text}-01")
        last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        yield Candidate(each.text, {"dateFrom": first.isoformat(), "dateTo": last.isoformat()})


ListCandidates = Callable[[_FacetCounter, tuple[Filter, ...]], Iterable[Candidate]]
# The filter that each facet replaces, and its candidates.
_FACETS: Mapping[str, tuple[type[Filter], ListCandidates]] = {
    "category": (CategoryFilter, _list_categories),
    "city": (CityFilter, _list_cities),
    "tags": (TagsFilter, _list_tags),
    "month": (DateFilter, _list_months),
    "price": (PriceFilter, _list_prices),
}
