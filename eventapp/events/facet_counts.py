"""Count the values by which a list of events can be narrowed: its facets.

Each value has a query, the parameters that narrow the list to it, and a count. The count is the
total of the same list with the filter of the facet replaced by this query. It is found as the list
finds its total, so the two are equal whatever the filters mean and whoever answers. An event counts
for each value that it meets.

The in-memory index counts where it answers the list. Otherwise the rows are read and indexed for
this one request, if they are few. If they are many, the database counts fewer values, each by a
query of its own, and those that it has not counted after a time are left out.

Which cities, tags and months are counted follows from the texts of the events: the most frequent
ones in the list without the filter of the facet. The filter by city looks for its text anywhere in
a location, so the count of a city may include events elsewhere whose location contains its name.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import NamedTuple

from eventapp.core.database import Db, Query
from eventapp.core.json import JsonObject
from eventapp.core.paging import COUNT_LIMIT
from eventapp.events import list_pages
from eventapp.events.entry_filters import CityFilter, DateFilter, require_upcoming
from eventapp.events.filter_types import EntryFilter, Filter
from eventapp.events.filters import CategoryFilter, PriceFilter, TagsFilter, load_filter
from eventapp.events.index.event_index import EventIndex
from eventapp.events.index.facet_texts import TextFacet
from eventapp.events.index.live_index import LiveIndex
from eventapp.events.index.text_table import TextCount
from eventapp.events.list_pages import FoundPage
from eventapp.events.list_requests import ListRequest
from eventapp.events.relevance import NO_TEXTS
from eventapp.events.rules import CATEGORIES
from eventapp.events.types import IndexedEvent

# The most values that a facet shows.
MAX_VALUES = 20
# How many of the most frequent texts an index counts: more than are shown, because the order by
# count may be another one.
MAX_CANDIDATES = 30
# The most rows that are read and indexed, which takes about 0.2 ms for each.
MAX_READ = 1_000
# What bounds the work of the database with more rows: from the texts of how many it chooses, how
# many cities, tags and months it counts, and for how many seconds it counts values.
MAX_SAMPLED, MAX_COUNTED_TEXTS, MAX_COUNT_SECONDS = 300, 5, 1.0
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
        least: how many events of the list at least have the value.
        is_exact: whether no more than these have it.
    """

    value: str
    query: Mapping[str, str]
    least: int = 0
    is_exact: bool = False

    @property
    def is_counted(self) -> bool:
        """Whether the count is known as far as it is shown."""
        return self.is_exact or self.least > COUNT_LIMIT


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
    if corrected := page.envelope.get("corrected"):
        request = request.correct(corrected)
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
        is_indexed = request.upcoming and not request.mine
        self._is_indexed = is_indexed and index.find((), request.search_query, today) is not None
        self._stops_at = time.monotonic() + MAX_COUNT_SECONDS
        # An index of the rows of the list, if these are few and the index of all does not answer.
        self._rows = None if self._is_indexed else self._index_rows()
        # Indexes of some rows of the list with these filters, for the choice of texts.
        self._samples = dict[tuple[Filter, ...], EventIndex]()

    def _index_rows(self) -> EventIndex | None:
        """Return an index of the rows before the filters of the facets; None if they are many."""
        replaced = {_FACETS[facet][0] for facet in self._request.facets}
        filters = tuple(each for each in self._request.filters if type(each) not in replaced)
        if self._count(filters) > MAX_READ:
            return None
        return self._index.index_events(self._read(filters, MAX_READ))

    def _read(self, filters: tuple[Filter, ...], limit: int) -> list[IndexedEvent]:
        """Read rows of the list with these filters, any rows if there are more.

        Returns:
            The events as listed ones without words to search for.
        """
        request = self._request._replace(filters=filters)
        events = list_pages.read_rows(
            self._db, request, self._today, self._index, self._own_scope, limit
        )
        return [{**event, "listed": True, "title": "", "searchTexts": NO_TEXTS} for event in events]

    def count_values(self, facet: str) -> list[JsonObject]:
        """Return the values of a facet as they are answered."""
        filter_class, list_candidates = _FACETS[facet]
        others = tuple(each for each in self._request.filters if type(each) is not filter_class)
        candidates, choices = list[Candidate](), list[Filter]()
        for candidate in list_candidates(self, others):
            if choice := self._make_filter(filter_class, candidate.query):
                candidates.append(candidate)
                choices.append(choice)
        uncounted = [n for n, each in enumerate(candidates) if not each.is_counted]
        counts = [each.least for each in candidates]
        found = self._count_each(others, [choices[n] for n in uncounted])
        for n, count in zip(uncounted, found, strict=True):
            counts[n] = count
        counted = list(zip(counts, candidates, strict=True))
        counted.sort(key=lambda each: -min(each[0], COUNT_LIMIT))
        return [_present(count, each) for count, each in counted[:MAX_VALUES] if count]

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

    def _count_each(self, others: Sequence[Filter], choices: Sequence[Filter]) -> list[int]:
        """Count the rows of the list with the other filters and each of these in turn.

        Returns:
            The counts; 0 where the database had no time left for one.
        """
        if not choices:
            return []
        filters = list(others)
        if self._request.upcoming:
            # The filter that this adds to filters of entries is the same for all choices.
            filters += require_upcoming([*others, choices[0]], self._today)[len(others) + 1 :]
        if self._rows is not None:
            return self._rows.count_each(filters, choices, None)
        counts = None
        if self._is_indexed:
            counts = self._index.count_each(
                filters, choices, self._request.search_query, self._today
            )
        if counts is None:
            return [self._count_in_time((*others, each)) for each in choices]
        return counts

    def _count_in_time(self, filters: tuple[Filter, ...]) -> int:
        """Count the rows of the list with these filters; 0 if there is no time left for it."""
        return self._count(filters) if time.monotonic() < self._stops_at else 0

    def _count(self, filters: tuple[Filter, ...]) -> int:
        """Count the rows of the list with these filters."""
        request = self._request._replace(filters=filters)
        return list_pages.count_rows(self._db, request, self._today, self._index, self._own_scope)

    def find_texts(self, facet: TextFacet, filters: tuple[Filter, ...]) -> list[TextCount]:
        """Return the most frequent texts of the list with these filters, by their keys."""
        found: list[TextCount] | None = None
        if self._is_indexed:
            found = self._index.find_frequent_texts(
                facet, filters, self._request.search_query, self._today, MAX_CANDIDATES
            )
        elif self._rows is not None:
            upcoming = self._request.upcoming
            applied = require_upcoming(filters, self._today) if upcoming else filters
            matches = self._rows.find(applied, None)
            found = self._rows.find_frequent_texts(facet, matches, MAX_CANDIDATES)
        if found is None:
            self._is_indexed = False
            if filters not in self._samples:
                events = self._read(filters, MAX_SAMPLED)
                self._samples[filters] = self._index.index_events(events)
            sample = self._samples[filters]
            found = sample.find_frequent_texts(facet, sample.find((), None), MAX_COUNTED_TEXTS)
        return sorted(found, key=lambda each: each.key)

    def knows_entries(self, filters: tuple[Filter, ...], first: date) -> bool:
        """Return whether the list has all events of the index with an entry from this day on.

        That is if it is no day before today, and none of these filters compares entries. Then the
        counts of the texts of such entries are those of the list.
        """
        is_alone = not any(isinstance(each, EntryFilter) for each in filters)
        return self._is_indexed and is_alone and first >= self._today

    def count_past(self, filters: tuple[Filter, ...]) -> int | None:
        """Count the entries that are over; None if the list also lacks other entries."""
        if not self.knows_entries(filters, self._today):
            return None
        return self._index.count_entries_before(self._today)


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
    found, past = counter.find_texts("city", others), counter.count_past(others)
    for each in found:
        # An event may have the text of the city in an entry that is over.
        least = 0 if past is None else max(each.events - past, 0)
        yield Candidate(each.text, {"city": each.text}, least)


def _list_tags(counter: _FacetCounter, others: tuple[Filter, ...]) -> Iterable[Candidate]:
    # A comma separates the tags of the parameter, so no query finds a tag that contains one.
    return [
        Candidate(each.text, {"tags": each.text}, each.events)
        for each in counter.find_texts("tags", others)
        if "," not in each.text
    ]


def _list_months(counter: _FacetCounter, others: tuple[Filter, ...]) -> Iterable[Candidate]:
    for each in counter.find_texts("month", others):
        first = date.fromisoformat(f"{each.text}-01")
        last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        query = {"dateFrom": first.isoformat(), "dateTo": last.isoformat()}
        if counter.knows_entries(others, first):
            yield Candidate(each.text, query, each.events, is_exact=True)
        else:
            yield Candidate(each.text, query)


ListCandidates = Callable[[_FacetCounter, tuple[Filter, ...]], Iterable[Candidate]]
# The filter that each facet replaces, and its candidates.
_FACETS: Mapping[str, tuple[type[Filter], ListCandidates]] = {
    "category": (CategoryFilter, _list_categories),
    "city": (CityFilter, _list_cities),
    "tags": (TagsFilter, _list_tags),
    "month": (DateFilter, _list_months),
    "price": (PriceFilter, _list_prices),
}
