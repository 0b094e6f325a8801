"""Parse requests for pages of the list of events, and parse and render the positions of cursors.

A position says where the next page begins, by the sort value and the eventId of the last row. In a
search by relevance the sort value is a score. Every process computes the same, whether its index or
the database answers, so any of them can continue.
"""

from collections.abc import Iterable
from datetime import date, datetime
from typing import NamedTuple

from eventapp.core import paging
from eventapp.core.geography import Position
from eventapp.core.json import JsonObject
from eventapp.core.textsearch import SearchQuery, parse_search
from eventapp.events import rules
from eventapp.events.filter_types import Filter
from eventapp.events.filters import make_filters
from eventapp.events.place_filters import NearFilter
from eventapp.events.types import DISTANCE, RELEVANCE, SortValue

# The version of the scores (`relevance.score_texts`). Those of another version can't be compared.
SCORING = 2
# The longest corrected search of a cursor. A correction adds a character to each word at most.
MAX_CORRECTED = 1_000
# What the values of a list can be counted by.
FACET_NAMES = ("category", "city", "tags", "month", "price")


class ListPosition(NamedTuple):
    """The end of a page, after which the next one begins.

    Attributes:
        sort_value: of the last row.
        event_id: of the last row; it decides between equal sort values.
        counted: the number of rows of the list, as it was counted for the first page.
        page: the number of the next page.
        corrected: what was searched for instead of the search of the request; empty if it was not
            corrected.
    """

    sort_value: SortValue
    event_id: int
    counted: int
    page: int
    corrected: str = ""


class ListRequest(NamedTuple):
    """A request for a page of the list of events.

    Attributes:
        filters: the filters that are set.
        search: words and phrases to search for, after a correction; empty without a search.
        corrected: the same if it was corrected, else empty.
        upcoming: leave out events that are over.
        mine: only events of the caller, drafts too.
        sort_by: a key of `rules.SORTS`. None sorts by distance if there is a `center`, another
            search by relevance, and all other lists by eventId.
        page: the number of the page, from 1; ignored if there is a `position`.
        limit: how many events a page has.
        position: where an earlier page ended.
        facets: the facets to count besides the page, in the order of the answer.
        cursor_query: the parameters that the next cursor must carry, as the client sent them.
    """

    filters: tuple[Filter, ...] = ()
    search: str = ""
    corrected: str = ""
    upcoming: bool = True
    mine: bool = False
    sort_by: str | None = None
    descending: bool = False
    page: int = 1
    limit: int = 20
    position: ListPosition | None = None
    facets: tuple[str, ...] = ()
    cursor_query: tuple[tuple[str, str], ...] = ()

    def at(self, moment: datetime) -> "ListRequest":
        """Return the request as it applies at a moment of the database's clock."""
        filters = tuple(each.at(moment) for each in self.filters)
        return self if filters == self.filters else self._replace(filters=filters)

    def correct(self, corrected: str) -> "ListRequest":
        """Return the request with another search instead of its own."""
        return self._replace(search=corrected, corrected=corrected)

    @property
    def search_query(self) -> SearchQuery | None:
        """The parsed search; None without a search."""
        return parse_search(self.search) if self.search else None

    @property
    def order(self) -> tuple[str, int]:
        """The field that the list is sorted by, and 1 for ascending or -1 for descending."""
        direction = -1 if self.descending else 1
        if self.sort_by is not None:
            return rules.SORTS[self.sort_by], direction
        if self.center is not None:
            return DISTANCE, direction
        return (RELEVANCE, -1) if self.search else ("eventId", direction)

    @property
    def center(self) -> Position | None:
        """The position whose distance the rows of the list show; None without one."""
        near = (each for each in self.filters if isinstance(each, NearFilter))
        return next((each.circle.center for each in near), None)

    def __sizeof__(self) -> int:
        """Return the approximate bytes of memory that the request takes, with its values."""
        return 400 + sum(200 + len(name) + _get_bytes(v) for name, v in self.cursor_query)


def _get_bytes(value: object) -> int:
    """Return the most bytes that a value of a parameter and its folded form take."""
    text = str(value)
    # Folding may replace one character by 18 others, of 2 bytes each.
    return 2 * len(text) if text.isascii() else 40 * len(text)


def make_list_request(
    query: JsonObject,
    *,
    page: int,
    limit: int,
    position: JsonObject | None,
    cursor_query: JsonObject,
    facets: Iterable[str] = (),
) -> ListRequest:
    """Return the request for a page of the list that the loaded query parameters describe.

    Args:
        page: the number of the page, from 1.
        limit: how many events a page has.
        position: the decoded cursor; None without a cursor.
        cursor_query: the parameters that the next cursor must carry.
        facets: the facets to count.

    Raises:
        ValidationFailed: the cursor does not belong to such a list.
    """
    request = ListRequest(
        filters=make_filters(query),
        search=query.get("search", ""),
        upcoming=query["upcoming"],
        mine=query["mine"],
        sort_by=query.get("sortBy"),
        descending="desc" in (query.get("sortOrder"), query.get("order")),
        page=page,
        limit=limit,
        facets=tuple(facets),
        cursor_query=tuple(cursor_query.items()),
    )
    if position is None:
        return request
    parsed = parse_position(position, request.order[0])
    request = request._replace(position=parsed)
    return request.correct(parsed.corrected) if parsed.corrected else request


def parse_position(position: JsonObject, field: str) -> ListPosition:
    """Return the position in the decoded cursor of a list that is sorted by `field`.

    Raises:
        ValidationFailed: the cursor belongs to another list.
    """
    counted, page = paging.parse_cursor_page(position)
    corrected = position.get("corrected", "")
    if not isinstance(corrected, str) or len(corrected) > MAX_CORRECTED:
        raise paging.InvalidCursor
    if field == RELEVANCE and position.get("scoring") != SCORING:
        raise paging.InvalidCursor
    return ListPosition(
        sort_value=_parse_sort_value(position.get("value"), field),
        event_id=paging.parse_cursor_int(position.get("id")),
        counted=counted,
        page=page,
        corrected=corrected,
    )


def _parse_sort_value(value: object, field: str) -> SortValue:
    if field == "nextDate":
        return _parse_date(value)
    if field == "titleKey":
        if isinstance(value, str):
            return value
        raise paging.InvalidCursor
    if field == RELEVANCE:
        return paging.parse_cursor_int(value)
    return value if isinstance(value, float) else paging.parse_cursor_int(value)


def _parse_date(value: object) -> datetime:
    try:
        if isinstance(value, str):
            return rules.midnight(date.fromisoformat(value))
    except ValueError:
        pass
    raise paging.InvalidCursor


def render_position(
    *, sort_value: SortValue, event_id: int, counted: int, page: int, field: str, corrected: str
) -> JsonObject:
    """Return the end of a page as JSON; `parse_position` reads it.

    Args:
        page: the number of the page that ends here.
        field: what the list is sorted by.
        corrected: as in `ListPosition`.
    """
    if isinstance(sort_value, datetime):
        sort_value = sort_value.date().isoformat()
    position: JsonObject = {
        "value": sort_value,
        "id": event_id,
        "counted": counted,
        "page": page,
    }
    if field == RELEVANCE:
        position["scoring"] = SCORING
    if corrected:
        position["corrected"] = corrected
    return position
