"""Find the events of one page of the list, by the in-memory index or by the database.

The index answers searches and filters of the public list. The database answers the public list
without them, lists that include past events, lists of the caller's own events, searches with
phrases, and every list while there is no index.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from heapq import nsmallest
from types import MappingProxyType
from typing import NamedTuple, cast

from eventapp.core import paging
from eventapp.core.database import Db, Query
from eventapp.core.geography import Position
from eventapp.core.json import JsonObject
from eventapp.events import distance_search, store, store_listing
from eventapp.events.corrections import contains_word, correct_search
from eventapp.events.entry_filters import require_upcoming
from eventapp.events.filter_types import Filter, make_conditions
from eventapp.events.filters import FACET_FIELDS
from eventapp.events.index.distances import EventDistances
from eventapp.events.index.live_index import LiveIndex
from eventapp.events.index.matches import Matches
from eventapp.events.list_requests import ListRequest, render_position
from eventapp.events.relevance import make_patterns, score_texts
from eventapp.events.store_listing import SortKey
from eventapp.events.types import DISTANCE, RELEVANCE, Event, IndexedEvent

# Matches are few if there are no more than MAX_FEW_MATCHES, or no more than MAX_FEW_PER_THOUSAND of
# a thousand listed events. The database sorts few matches faster than it finds them by reading an
# index in the order of the list.
MAX_FEW_MATCHES, MAX_FEW_PER_THOUSAND = 500, 2


class FoundPage(NamedTuple):
    """A page as it was found, before its events are rendered.

    Attributes:
        event_ids: the eventIds of the page, in order.
        events: the same events if the search has read them; empty if it has found only the ids.
        envelope: the fields that follow the events in the answer.
        distances: in km, by eventId, in a list of events near a position; otherwise empty.
    """

    event_ids: tuple[int, ...]
    events: list[Event]
    envelope: JsonObject
    distances: Mapping[int, float] = MappingProxyType({})


def find_page(
    db: Db, request: ListRequest, today: date, index: LiveIndex, own_scope: Query | None = None
) -> FoundPage:
    """Find the events of a page.

    If the words of a search are in no event, it is corrected, and the envelope says so.

    Args:
        request: the request as it applies now (`ListRequest.at`).
        own_scope: the MongoDB filter of the caller's own events; None unless `request.mine` is set.

    Raises:
        ValidationFailed: the page begins after the last row that a page number can reach.
    """
    finder = _PageFinder(db, request, today, index, own_scope)
    page = finder.find()
    if request.search and request.position is None and not page.envelope["total"]:
        corrected = finder.find_correction()
        if corrected:
            request = request.correct(corrected)
            return _PageFinder(db, request, today, index, own_scope).find()
    return page


def count_rows(
    db: Db, request: ListRequest, today: date, index: LiveIndex, own_scope: Query | None = None
) -> int:
    """Count the rows of the list, no further than COUNT_LIMIT + 1; arguments as for `find_page`."""
    rows = _PageFinder(db, request, today, index, own_scope).count()
    return min(rows, paging.COUNT_LIMIT + 1)


def read_rows(
    db: Db, request: ListRequest, today: date, index: LiveIndex, own_scope: Query | None, limit: int
) -> list[IndexedEvent]:
    """Read what filters compare of the rows of the list, from the database.

    Args:
        limit: the most rows to read, any rows if there are more.
    """
    return _PageFinder(db, request, today, index, own_scope).read_rows(limit)


@dataclass(frozen=True)
class _PageStart:
    """Where a page of the list begins.

    Attributes:
        number: the number of the page, from 1.
        counted: the number of rows of the list, counted no further than COUNT_LIMIT + 1.
        skip: how many rows to skip after `after`; None if the list ends before the page.
        after: the sort key of the row after which to continue; None to start at the first row.
    """

    number: int
    counted: int
    skip: int | None
    after: SortKey | None = None


@dataclass(frozen=True)
class _PageRows:
    """The rows of a page and, if there is one, the row after it.

    Attributes:
        keys: the sort key of each row.
        events: the event of each row, or empty, as in FoundPage.
    """

    keys: list[SortKey]
    events: list[Event]


class _PageFinder:
    """Finds one page: by the index if it has an answer, else by the database."""

    def __init__(
        self,
        db: Db,
        request: ListRequest,
        today: date,
        index: LiveIndex,
        own_scope: Query | None,
    ) -> None:
        self._db, self._request, self._today, self._index = db, request, today, index
        self._own_scope = own_scope
        self._database_index = store_listing.choose_index(own_scope, request.search)
        self._query = request.search_query
        self._matches = self._find_matches()

    def find(self) -> FoundPage:
        start = self._find_start()
        if start.skip is None:
            rows = _PageRows([], [])
        elif self._matches is not None:
            rows = self._find_among_matches(self._matches, start)
        elif self._request.center is not None:
            rows = self._find_near_in_database(self._request.center, start)
        else:
            rows = self._find_in_database(self._database_filter, start)
        return self._make_page(start, rows)

    def _find_matches(self) -> Matches | None:
        """Return what the index finds, or None if the database must find the page.

        The database finds a page of the whole public list as fast.
        """
        request = self._request
        if request.mine or not request.upcoming or not (request.filters or request.search):
            return None
        return self._index.find(request.filters, self._query, self._today)

    @cached_property
    def _filters(self) -> Sequence[Filter]:
        """The filters of the request, and that an entry must be upcoming if the list demands it."""
        filters = self._request.filters
        return require_upcoming(filters, self._today) if self._request.upcoming else filters

    @cached_property
    def _distances(self) -> EventDistances | None:
        """All events of the list with their distances; None if it has no position `near`.

        In the database this reads all of them.
        """
        center = self._request.center
        if center is None:
            return None
        if self._matches is not None:
            return self._matches.measure(center)
        return distance_search.find_distances(
            self._db, self._database_filter, self._filters, center, index=self._database_index
        )

    @cached_property
    def _database_filter(self) -> Query:
        """The MongoDB filter of all rows of the list."""
        conditions = make_conditions(self._filters)
        if self._query:
            found = store_listing.make_search_conditions(make_patterns(self._query))
            conditions = [*found, *conditions]
        return store_listing.narrow(self._scope, conditions)

    @property
    def _scope(self) -> Query:
        """The MongoDB filter of all rows that the caller can see, before the filters."""
        if self._own_scope is not None:
            return self._own_scope
        return store_listing.make_public_filter(upcoming=self._request.upcoming)

    def find_correction(self) -> str:
        """Return what to search for instead of a search that finds nothing; empty for nothing.

        Words are corrected if no event of the list has one, whatever the filters are. A public list
        is corrected by the words of upcoming events, which the index knows.
        """
        query = self._query
        if query is None or query.has_phrases:
            return ""
        if self._request.mine:
            return correct_search(self._db, self._scope, query)
        if not self._request.upcoming and contains_word(self._db, self._scope, query):
            return ""
        corrected = self._index.correct(query, self._today)
        if corrected is None:
            listed = store_listing.make_public_filter(upcoming=True)
            return correct_search(self._db, listed, query)
        return corrected

    # Where the page begins.

    def _find_start(self) -> _PageStart:
        request, position = self._request, self._request.position
        if position is None:
            counted = min(self.count(), paging.COUNT_LIMIT + 1)
            skip = paging.find_page_offset(page=request.page, limit=request.limit, counted=counted)
            return _PageStart(request.page, counted, skip)
        after = position.sort_value, position.event_id
        return _PageStart(position.page, position.counted, skip=0, after=after)

    def count(self) -> int:
        """Count the rows of the list; the database counts no further than COUNT_LIMIT + 1."""
        if self._matches is not None:
            return self._matches.count
        request = self._request
        is_whole_list = request.upcoming and not (request.mine or request.filters or request.search)
        listed_count = self._index.count(self._today) if is_whole_list else None
        if listed_count is not None:
            return listed_count
        if self._distances is not None:
            return self._distances.count
        return store_listing.count_matching(
            self._db,
            self._database_filter,
            limit=paging.COUNT_LIMIT + 1,
            index=self._database_index,
        )

    def read_rows(self, limit: int) -> list[IndexedEvent]:
        """Read rows, as the function of this name does."""
        return store_listing.find_indexed_rows(
            self._db,
            self._database_filter,
            fields=FACET_FIELDS,
            limit=limit,
            index=self._database_index,
        )

    # The rows of the page, and the one after it.

    def _find_in_database(self, where: Query, start: _PageStart) -> _PageRows:
        order, limit = self._request.order, self._request.limit + 1
        if order[0] == RELEVANCE:
            return self._rank_in_database(where, start)
        events = store_listing.find_in_order(
            self._db,
            where,
            order,
            after=start.after,
            skip=start.skip or 0,
            limit=limit,
            index=self._database_index,
        )
        return _PageRows([store_listing.get_sort_key(event, order) for event in events], events)

    def _rank_in_database(self, where: Query, start: _PageStart) -> _PageRows:
        """Find the rows of a search by relevance, by scoring all that the database finds."""
        assert self._query is not None
        keys: Iterable[tuple[int, int]] = (
            (-score_texts(texts, self._query), event_id)
            for event_id, texts in store_listing.iter_search_texts(self._db, where)
        )
        if start.after is not None:
            last = -cast(int, start.after[0]), start.after[1]
            keys = (key for key in keys if key > last)
        best = nsmallest((start.skip or 0) + self._request.limit + 1, keys)[start.skip :]
        by_id = {
            event["eventId"]: event
            for event in store.find_events(self._db, [event_id for _, event_id in best])
        }
        events = [by_id[event_id] for _, event_id in best if event_id in by_id]
        return _PageRows([(-score, event_id) for score, event_id in best], events)

    def _find_near_in_database(self, center: Position, start: _PageStart) -> _PageRows:
        """Find the rows of a list of events near a position in the database."""
        order, limit = self._request.order, self._request.limit + 1
        if order[0] == DISTANCE:
            keys = self._order_by_distance(start)
            ids = [event_id for _, event_id in keys[: self._request.limit]]
            # Only what still matches is shown.
            where = {"$and": [self._database_filter, store_listing.make_id_condition(ids)]}
            found = store_listing.find_in_order(self._db, where, ("eventId", 1), limit=limit)
            by_id = {event["eventId"]: event for event in found}
            return _PageRows(keys, [by_id[event_id] for event_id in ids if event_id in by_id])
        events = distance_search.find_in_order(
            self._db,
            self._database_filter,
            self._filters,
            center,
            order,
            after=start.after,
            skip=start.skip or 0,
            limit=limit,
            index=self._database_index,
        )
        return _PageRows([store_listing.get_sort_key(event, order) for event in events], events)

    def _order_by_distance(self, start: _PageStart) -> list[SortKey]:
        """Return the sort keys of the page, and the one after it, in a list by distance."""
        distances, direction = self._distances, self._request.order[1]
        assert distances is not None
        if start.after is not None:
            distance, event_id = start.after
            distances = distances.after(cast(float, distance), event_id, direction)
        limit = self._request.limit + 1
        return [*distances.first(limit, direction, skip=start.skip or 0)]

    def _find_among_matches(self, matches: Matches, start: _PageStart) -> _PageRows:
        """Find the rows among the matches of the index."""
        field, direction = self._request.order
        skip, limit = start.skip or 0, self._request.limit + 1
        if field == RELEVANCE:
            if start.after is not None:
                score, event_id = start.after
                matches = matches.after_score(cast(int, score), event_id)
            best = matches.best(limit, skip=skip)
            return _PageRows([(score, event_id) for event_id, score in best], [])
        if field == DISTANCE:
            return _PageRows(self._order_by_distance(start), [])
        if field == "eventId":
            if start.after is not None:
                matches = matches.after_id(start.after[1], direction)
            ids = matches.first_by_id(skip + limit, direction)[skip:]
            return _PageRows([(event_id, event_id) for event_id in ids], [])
        if _are_few(matches):
            # The database can't know that they are few. Given their ids instead of the filters of
            # the request, it reads only them.
            public = store_listing.make_public_filter(upcoming=True)
            return self._find_in_database(
                {**public, **store_listing.make_id_condition(matches.all_ids())}, start
            )
        # The database compares distances only roughly.
        if self._request.search or self._request.center is not None:
            return self._scan_list_order(matches, start)
        return self._find_in_database(self._database_filter, start)

    def _scan_list_order(self, matches: Matches, start: _PageStart) -> _PageRows:
        """Find the rows among many matches of a search, or near a position, in a stored order.

        To sort them, the database would read all matches of the words. Reading all listed events in
        the order of the list, until the page is full, reads fewer, because many of them match.
        """
        skip, end = start.skip or 0, (start.skip or 0) + self._request.limit + 1
        found: list[SortKey] = []
        for keys in store_listing.scan_listed(self._db, self._request.order, after=start.after):
            is_match = matches.contain_each([event_id for _, event_id in keys])
            found += [key for key, matching in zip(keys, is_match, strict=True) if matching]
            if len(found) >= end:
                break
        return _PageRows(found[skip:end], [])

    def _make_page(self, start: _PageStart, rows: _PageRows) -> FoundPage:
        """Return the page with its envelope, which has the cursor of the next page."""
        limit, position = self._request.limit, None
        if len(rows.keys) > limit:
            sort_value, event_id = rows.keys[limit - 1]
            position = render_position(
                sort_value=sort_value,
                event_id=event_id,
                counted=start.counted,
                page=start.number,
                field=self._request.order[0],
                corrected=self._request.corrected,
            )
        envelope: JsonObject = {
            **paging.make_page_envelope(page=start.number, limit=limit, counted=start.counted),
            "nextCursor": paging.make_next_cursor(position, dict(self._request.cursor_query)),
        }
        if self._request.corrected:
            envelope["corrected"] = self._request.corrected
        event_ids = tuple(event_id for _, event_id in rows.keys[:limit])
        # An event may have been deleted since its key was read.
        events = [event for event in rows.events if event["eventId"] in event_ids]
        distances = self._find_shown_distances(event_ids, rows)
        return FoundPage(event_ids, events, envelope, distances)

    def _find_shown_distances(
        self, event_ids: tuple[int, ...], rows: _PageRows
    ) -> Mapping[int, float]:
        """Return the distances of the events of the page, by eventId."""
        request = self._request
        if request.order[0] == DISTANCE:
            return {event_id: cast(float, distance) for distance, event_id in rows.keys}
        if self._matches is None and request.center is not None:
            found = distance_search.measure(rows.events, self._filters, request.center)
            return found.find(list(event_ids))
        return {} if self._distances is None else self._distances.find(list(event_ids))


def _are_few(matches: Matches) -> bool:
    is_small_share = matches.count * 1000 <= matches.listed_count * MAX_FEW_PER_THOUSAND
    return matches.count <= MAX_FEW_MATCHES or is_small_share
