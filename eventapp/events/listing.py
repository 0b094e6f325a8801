"""Use cases that list events: browse and search, the most popular, recommendations, favorites."""

from collections.abc import Iterable
from datetime import date, datetime

from eventapp.core import json
from eventapp.core.access.actions import READERS, WHOLE_TEAM
from eventapp.core.access.actor import Actor
from eventapp.core.database import Db, Query
from eventapp.core.json import JsonObject, make_etag
from eventapp.events import rules, store, store_listing
from eventapp.events.bodies import EventView
from eventapp.events.cache.event_cache import EventCache
from eventapp.events.cache.rendering import RenderedEvent
from eventapp.events.cache.shared_body import CallerPage, EventsBody
from eventapp.events.facet_counts import add_facets
from eventapp.events.filter_types import make_conditions
from eventapp.events.filters import CategoriesFilter
from eventapp.events.list_pages import FoundPage, find_page
from eventapp.events.list_requests import ListRequest
from eventapp.events.service import present_events
from eventapp.events.store_listing import OwnScope
from eventapp.events.types import Event
from eventapp.favorites import service as favorites

# The most events that a list without pages returns.
MAX_UNPAGED = 500


def list_events(
    db: Db,
    request: ListRequest,
    *,
    event_cache: EventCache,
    actor: Actor,
    now: datetime,
    image_base_url: str,
) -> tuple[bytes, str]:
    """Return a page of events as this caller sees them: the body of the answer, and its ETag.

    Args:
        now: the time by the database's clock.

    Pages for organizers, their teams and admins are not cached, because they contain the counts of
    sold tickets of the events that the caller may manage.

    Raises:
        ValidationFailed: the page begins after the last row that a page number can reach.
        Unauthorized: `mine` is set and no user is logged in.
        ScopeMissing: `mine` is set, and the caller's API token is only for certain events.
    """
    request = request.at(now)
    if request.mine or actor.may_manage_events:
        today = event_cache.get_today(now)
        own_scope = _make_own_scope(request, actor, today) if request.mine else None
        event_cache.receive_changes(actor)
        found = find_page(db, request, today, event_cache.index, own_scope)
        found = add_facets(db, found, request, today, event_cache.index, own_scope)
        body = json.dumps(present_page(db, found, actor, image_base_url, now))
        return body, make_etag(body)
    return event_cache.load_page(request, now, actor, image_base_url).show()


def _make_own_scope(request: ListRequest, actor: Actor, today: date) -> Query:
    """Return the MongoDB filter of the caller's own events, before the filters of the request.

    They include those of the teams that the caller is in. A user who is no longer an organizer sees
    only the events among the own ones that everyone sees. So do members of a team who may not read
    its drafts.
    """
    actor.require_whole_account()
    own = OwnScope(actor.require_user_id(), with_drafts=actor.may_organize)
    teams = [
        OwnScope(each.organizer_id, each.event_ids, with_drafts=each.role in READERS)
        for each in actor.teams.list(WHOLE_TEAM)
    ]
    return store_listing.make_own_filter(
        rules.midnight(today), [own, *teams], upcoming=request.upcoming
    )


def find_public_events(
    db: Db, request: ListRequest, *, event_cache: EventCache, now: datetime
) -> list[Event]:
    """Return the events of a page of the public list, in its order.

    Args:
        request: as it applies now (`ListRequest.at`).
        now: the time by the database's clock.

    Raises:
        ValidationFailed: the page begins after the last row that a page number can reach.
    """
    event_cache.receive_changes()
    today = event_cache.get_today(now)
    return _load_page(db, find_page(db, request, today, event_cache.index))


def present_page(
    db: Db, page: FoundPage, actor: Actor, image_base_url: str, now: datetime
) -> JsonObject:
    """Return the answer for a page that is not cached, as this caller sees it."""
    rows = present_events(db, _load_page(db, page), actor, image_base_url, now)
    for row in rows:
        if row["eventId"] in page.distances:
            row["distanceKm"] = rules.round_distance(page.distances[row["eventId"]])
    return {"events": rows, **page.envelope}


def _load_page(db: Db, page: FoundPage) -> list[Event]:
    """Return the events of a page, which are read if only their ids are known."""
    if page.events:
        return page.events
    # Only public lists are found by the index. An event may have left them since.
    found = _load_in_order(db, page.event_ids) if page.event_ids else []
    return [event for event in found if rules.may_be_listed(event)]


def _load_in_order(db: Db, event_ids: Iterable[int]) -> list[Event]:
    """Return the events of these ids that exist, in this order."""
    by_id = {event["eventId"]: event for event in store.find_events(db, event_ids)}
    return [by_id[event_id] for event_id in event_ids if event_id in by_id]


def list_popular(
    db: Db, *, limit: int, actor: Actor, now: datetime, image_base_url: str
) -> list[EventView]:
    """Return the most popular upcoming events, best first."""
    return _present_upcoming(db, ("popularity", -1), [], limit, actor, now, image_base_url)


def _present_upcoming(
    db: Db,
    order: store_listing.Order,
    conditions: list[Query],
    limit: int,
    actor: Actor,
    now: datetime,
    image_base_url: str,
) -> list[EventView]:
    where = store_listing.narrow(store_listing.make_public_filter(upcoming=True), conditions)
    events = store_listing.find_in_order(db, where, order, limit=limit)
    return present_events(db, events, actor, image_base_url, now)


def load_upcoming(
    event_cache: EventCache, actor: Actor, *, now: datetime, image_base_url: str
) -> CallerPage:
    """Return up to MAX_UNPAGED upcoming events as an array, by eventId, without counts."""
    request = ListRequest(limit=MAX_UNPAGED)
    return event_cache.load_page(request, now, actor, image_base_url, is_bare=True)


def load_recommendations(
    event_cache: EventCache,
    categories: Iterable[str],
    actor: Actor,
    *,
    now: datetime,
    image_base_url: str,
) -> CallerPage:
    """Return what `recommend` does, without counts for organizers."""
    request = _make_recommendation_request(categories)
    return event_cache.load_page(request, now, actor, image_base_url, is_bare=True)


def recommend(
    db: Db,
    categories: Iterable[str],
    *,
    event_cache: EventCache,
    actor: Actor,
    now: datetime,
    image_base_url: str,
) -> EventsBody:
    """Return upcoming events of these categories as a JSON array, soonest first.

    Without categories, return the most popular events. A category that does not exist matches no
    event. Callers who may manage events get them with their counts, read from the database.
    """
    if not actor.may_manage_events:
        return load_recommendations(
            event_cache, categories, actor, now=now, image_base_url=image_base_url
        ).show()
    request = _make_recommendation_request(categories)
    conditions = make_conditions(request.filters)
    found = _present_upcoming(
        db, request.order, conditions, request.limit, actor, now, image_base_url
    )
    body = json.dumps(found)
    return EventsBody(body, make_etag(body))


def _make_recommendation_request(categories: Iterable[str]) -> ListRequest:
    names = {name.lower() for name in categories}
    if not names:
        return ListRequest(sort_by="popularity", descending=True, limit=MAX_UNPAGED)
    # In one order, so that the same categories share a cached page.
    known = tuple(name for name in rules.CATEGORIES if name in names)
    return ListRequest((CategoriesFilter(known),), sort_by="date", limit=MAX_UNPAGED)


def list_favorites(
    db: Db, *, event_cache: EventCache, actor: Actor, now: datetime, image_base_url: str
) -> bytes:
    """Return the caller's favorites that lists may show the caller, as a JSON array.

    The newest favorite comes first. Events that the caller may manage are shown with their counts,
    read from the database.
    """
    events = event_cache.get_events(favorites.list_event_ids(db, actor.favorites_key), actor)
    managed = _show_managed_favorites(db, events, actor, now, image_base_url)
    rows = (
        managed[each.event_id]
        if each.event_id in managed
        else each.to_json(image_base_url, favorited=True)
        for each in events
        if each.event_id in managed or each.may_be_listed
    )
    return b"[" + b",".join(rows) + b"]"


def _show_managed_favorites(
    db: Db, events: Iterable[RenderedEvent], actor: Actor, now: datetime, image_base_url: str
) -> dict[int, bytes]:
    """Return the JSON of those of these favorites that the caller may manage, by eventId."""
    managed_ids = [
        each.event_id for each in events if actor.may_manage_event(each.event_id, each.organizer_id)
    ]
    views = (
        rules.present_event(
            event, favorited=True, with_counts=True, image_base_url=image_base_url, now=now
        )
        for event in store.find_events(db, managed_ids)
        # The organizer may be another one than in the cache.
        if actor.may_manage_event(event["eventId"], event["organizerId"])
    )
    return {view["eventId"]: json.dumps(view) for view in views}
