"""Use cases that list events: browse, search, favorites, recommendations.

A page of the list goes: request -> cached page, else the in-memory index or the database -> page.
The index answers what it can; the database answers lists of events that are over, an organizer's
own events, phrases, and everything while there is no index.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import NamedTuple, cast

from eventapp.core import json, paging
from eventapp.core.access.actor import Actor
from eventapp.core.database import Db, Query
from eventapp.core.errors import Unauthorized
from eventapp.core.json import JsonObject, make_etag
from eventapp.events import rules, store, store_listing
from eventapp.events.bodies import EventView
from eventapp.events.cache.event_cache import EventCache
from eventapp.events.cache.rendering import FoundPage
from eventapp.events.index.event_index import Matches
from eventapp.events.index.live_index import LiveIndex
from eventapp.events.list_requests import (
    ListPosition,
    ListRequest,
    Scorer,
    render_position,
)
from eventapp.events.service import may_see, present_events
from eventapp.events.types import RELEVANCE, Event, SortValue
from eventapp.favorites import service as favorites

MAX_UNPAGED = 500
# Up to this many matches, or one in this many of all listed events, are few: the database sorts
# them faster than it finds them by walking the order of the list.
FEW_MATCHES, FEW_ONE_IN = 500, 500
# Popularity changes without a change of an event, so a cached page in its order is kept this long.
POPULARITY_PAGE_SECONDS = 5


class ListAnswer(NamedTuple):
    """A page as the body of an answer, with its ETag."""

    body: bytes
    etag: str


def list_events(
    db: Db,
    request: ListRequest,
    *,
    event_cache: EventCache,
    actor: Actor,
    now: datetime,
    image_base_url: str,
) -> ListAnswer:
    """Return a page of events as this caller sees them.

    The pages of callers who may organize events are not cached, because these see the counts of
    their own events.

    Raises:
        ValidationFailed: the page lies beyond the rows that are counted.
        Unauthorized: `mine` is set and no user is signed in.
    """
    find = partial(find_page, db, request, actor, now, event_cache.index)
    if request.mine or actor.may_organize:
        body = json.dumps(present_page(db, find(), actor, image_base_url))
        return ListAnswer(body, make_etag(body))
    cached = event_cache.load_page(_cache_key(request, now), find)
    rendered = event_cache.render_page(cached, actor.favorites_key, image_base_url)
    return ListAnswer(rendered.body, rendered.etag)


def present_page(db: Db, page: FoundPage, actor: Actor, image_base_url: str) -> JsonObject:
    """Return the answer for a page that is not cached, as this caller sees it."""
    events = page.events
    if page.event_ids and not events:
        events = _load_in_order(db, page.event_ids)
    return {"events": present_events(db, events, actor, image_base_url), **page.envelope}


def _cache_key(request: ListRequest, now: datetime) -> tuple[ListRequest, object]:
    """Return what decides which events a cached page shows."""
    if request.sort_by == "popularity":
        return request, (now.date(), int(now.timestamp() // POPULARITY_PAGE_SECONDS))
    return request, now.date()


@dataclass(frozen=True)
class PageStart:
    """Where a page of the list begins.

    Attributes:
        number: of the page, from 1.
        counted: the rows of the whole list, counted no further than COUNT_LIMIT + 1.
        skip: how many rows to skip behind `after`; None if the page lies behind the last row.
        after: the sort value and the eventId of the row to continue behind; None to start at the
            first row.
        rank: how many rows of the list come before the page.
    """

    number: int
    counted: int
    skip: int | None
    after: tuple[SortValue, int] | None = None
    rank: int = 0


@dataclass(frozen=True)
class PageRows:
    """The rows of a page and, if there is one, the row behind it.

    Attributes:
        keys: the sort value and the eventId of each row.
        events: the events themselves, if finding them has read them.
    """

    keys: list[tuple[SortValue, int]]
    events: list[Event]


def find_page(
    db: Db, request: ListRequest, actor: Actor, now: datetime, index: LiveIndex
) -> FoundPage:
    """Find the events of a page, by the index or by the database.

    Raises:
        ValidationFailed: the page lies beyond the rows that are counted.
        Unauthorized: `mine` is set and no user is signed in.
    """
    matches = _find_in_index(request, now, index)
    where = _where(request, actor, now)
    scorer: Scorer | None = None
    if request.order[0] == RELEVANCE:
        scorer = "database" if matches is None else "index"
    start = _page_start(request, scorer, partial(_count, db, request, where, matches, now, index))
    if start.skip is None:
        rows = PageRows([], [])
    elif matches is None:
        rows = _find_in_database(db, where, request, start)
    else:
        rows = _find_among_matches(db, where, request, start, matches)
    return _found_page(request, start, scorer, rows)


def _find_in_index(request: ListRequest, now: datetime, index: LiveIndex) -> Matches | None:
    """Return what the index finds; None if it can't answer, or if nothing narrows the list."""
    if request.mine or not request.upcoming or not (request.filters or request.search):
        return None
    return index.find(request.filters, request.search, now.date())


def _where(request: ListRequest, actor: Actor, now: datetime) -> Query:
    """Return the MongoDB filter of all rows of the list."""
    conditions = [each.condition() for each in request.filters]
    if request.search:
        conditions.insert(0, store_listing.text_condition(request.search))
    return store_listing.narrow(_scope(request, actor, now), conditions)


def _scope(request: ListRequest, actor: Actor, now: datetime) -> Query:
    if not request.mine:
        return store_listing.public_filter(upcoming=request.upcoming)
    if actor.user_id is None:
        raise Unauthorized
    if not actor.may_organize:
        return store_listing.public_filter(upcoming=request.upcoming, organizer_id=actor.user_id)
    today = rules.midnight(now.date())
    return store_listing.organizer_filter(today, actor.user_id, upcoming=request.upcoming)


def _count(
    db: Db,
    request: ListRequest,
    where: Query,
    matches: Matches | None,
    now: datetime,
    index: LiveIndex,
) -> int:
    """Count the rows of the list; the database counts no further than COUNT_LIMIT + 1."""
    if matches is not None:
        return matches.count
    is_whole_list = request.upcoming and not (request.mine or request.filters or request.search)
    listed_count = index.count(now.date()) if is_whole_list else None
    if listed_count is not None:
        return listed_count
    return store_listing.count(db, where, limit=paging.COUNT_LIMIT + 1)


def _page_start(request: ListRequest, scorer: Scorer | None, count: Callable[[], int]) -> PageStart:
    """Return where the requested page begins.

    Args:
        scorer: who scores this page, None if it is not sorted by relevance.
    """
    position = request.position
    if position is None:
        counted = min(count(), paging.COUNT_LIMIT + 1)
        skip = paging.find_page_offset(page=request.page, limit=request.limit, counted=counted)
        return PageStart(request.page, counted, skip, rank=skip or 0)
    rank = _rank_of(position, request.limit)
    if scorer and position.scorer and position.scorer != scorer:
        # Scores of different scorers can't be compared, so the walk continues by rank.
        return PageStart(position.page, position.counted, skip=rank, rank=rank)
    after = position.sort_value, position.event_id
    return PageStart(position.page, position.counted, skip=0, after=after, rank=rank)


def _rank_of(position: ListPosition, limit: int) -> int:
    """Return the rank of a position. Without one, assume that all pages had the same limit."""
    return (position.page - 1) * limit if position.rank is None else position.rank


def _find_in_database(db: Db, where: Query, request: ListRequest, start: PageStart) -> PageRows:
    """Read the rows of the page, and the one behind it, in the order of the list."""
    events = store_listing.find_page(
        db,
        where,
        request.order,
        after=start.after,
        skip=start.skip or 0,
        limit=request.limit + 1,
    )
    field = request.order[0]
    return PageRows(
        [(store_listing.sort_value(event, field), event["eventId"]) for event in events], events
    )


def _find_among_matches(
    db: Db, where: Query, request: ListRequest, start: PageStart, matches: Matches
) -> PageRows:
    """Find the rows of the page, and the one behind it, among the matches of the index."""
    field, direction = request.order
    skip, limit = start.skip or 0, request.limit + 1
    if field == RELEVANCE:
        if start.after is not None:
            score, event_id = start.after
            matches = matches.after_score(cast(float, score), event_id)
        best = matches.best(limit, skip=skip)
        return PageRows([(score, event_id) for event_id, score in best], [])
    if field == "eventId":
        if start.after is not None:
            matches = matches.after_id(start.after[1], direction)
        ids = matches.first_by_id(skip + limit, direction)[skip:]
        return PageRows([(event_id, event_id) for event_id in ids], [])
    if matches.count <= max(FEW_MATCHES, matches.listed_count // FEW_ONE_IN):
        # The database can't know how few they are, so it gets their ids instead of the filters.
        where = {
            **store_listing.public_filter(upcoming=True),
            **store_listing.among(matches.all_ids()),
        }
        return _find_in_database(db, where, request, start)
    if request.search:
        return _find_by_walking(db, request, start, matches)
    return _find_in_database(db, where, request, start)


def _find_by_walking(db: Db, request: ListRequest, start: PageStart, matches: Matches) -> PageRows:
    """Find a page of many matches of a search in another order than relevance.

    To sort them, the database would read all matches of the words. Walking the order of the list
    until the page is full reads few events, because there are many matches.
    """
    skip, end = start.skip or 0, (start.skip or 0) + request.limit + 1
    found: list[tuple[SortValue, int]] = []
    for keys in store_listing.walk_listed(db, request.order, after=start.after):
        is_match = matches.contain_each([event_id for _, event_id in keys])
        found += [key for key, matching in zip(keys, is_match, strict=True) if matching]
        if len(found) >= end:
            break
    return PageRows(found[skip:end], [])


def _found_page(
    request: ListRequest, start: PageStart, scorer: Scorer | None, rows: PageRows
) -> FoundPage:
    """Return the page with its envelope, which has the cursor of the next page."""
    limit = request.limit
    position = None
    if len(rows.keys) > limit:
        sort_value, event_id = rows.keys[limit - 1]
        position = render_position(
            sort_value=sort_value,
            event_id=event_id,
            counted=start.counted,
            page=start.number,
            scorer=scorer,
            rank=start.rank + limit,
        )
    envelope: JsonObject = {
        **paging.make_page_envelope(page=start.number, limit=limit, counted=start.counted),
        "nextCursor": paging.make_next_cursor(position, dict(request.cursor_query)),
    }
    event_ids = tuple(event_id for _, event_id in rows.keys[:limit])
    return FoundPage(event_ids, rows.events[:limit], envelope)


def _load_in_order(db: Db, event_ids: Iterable[int]) -> list[Event]:
    """Return the events of these ids that exist, in this order."""
    by_id = {event["eventId"]: event for event in store.find_events(db, event_ids)}
    return [by_id[event_id] for event_id in event_ids if event_id in by_id]


def list_popular(db: Db, *, limit: int, actor: Actor, image_base_url: str) -> list[EventView]:
    """Return the most popular upcoming events, best first."""
    return _present_upcoming(db, ("popularity", -1), [], limit, actor, image_base_url)


def recommend(
    db: Db, categories: list[str], *, actor: Actor, image_base_url: str
) -> list[EventView]:
    """Return upcoming events of these categories, soonest first.

    Without categories, return the most popular events.
    """
    if not categories:
        return list_popular(db, limit=MAX_UNPAGED, actor=actor, image_base_url=image_base_url)
    conditions = [store_listing.in_categories(categories)]
    return _present_upcoming(db, ("nextDate", 1), conditions, MAX_UNPAGED, actor, image_base_url)


def list_upcoming(db: Db, *, actor: Actor, image_base_url: str) -> list[EventView]:
    """Return up to 500 upcoming events by eventId, for the app that filters on the phone."""
    return _present_upcoming(db, ("eventId", 1), [], MAX_UNPAGED, actor, image_base_url)


def _present_upcoming(
    db: Db,
    order: tuple[str, int],
    conditions: list[Query],
    limit: int,
    actor: Actor,
    image_base_url: str,
) -> list[EventView]:
    where = store_listing.narrow(store_listing.public_filter(upcoming=True), conditions)
    events = store_listing.find_page(db, where, order, limit=limit)
    return present_events(db, events, actor, image_base_url)


def list_favorites(db: Db, *, actor: Actor, image_base_url: str) -> list[EventView]:
    """Return the caller's favorites that exist and may be seen, the newest favorite first."""
    ids = favorites.list_event_ids(db, actor.favorites_key)
    events = _load_in_order(db, ids) if ids else []
    visible = [event for event in events if may_see(event, actor)]
    return present_events(db, visible, actor, image_base_url)
