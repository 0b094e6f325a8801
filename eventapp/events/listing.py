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
from eventapp.events.facet_counts import add_facets
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
        event_cache.receive_changes()
        found = find_page(db, request, today, event_cache.index, own_scope)
        found = add_facets(db, found, request, today, event_cache.index, own_scope)
        body = json.dumps(present_page(db, found, actor, image_base_url, now))
        return body, make_etag(body)
    page = event_cache.show_page(request, now, actor.favorites_key, image_base_url)
    return page.body, page.etag


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


def recommend(
    db: Db, categories: list[str], *, actor: Actor, now: datetime, image_base_url: str
) -> list[EventView]:
    """Return upcoming events of these categories, soonest first.

    Without categories, return the most popular events.
    """
    if not categories:
        return list_popular(
            db, limit=MAX_UNPAGED, actor=actor, now=now, image_base_url=image_base_url
        )
    conditions = [store_listing.make_category_condition([name.lower() for name in categories])]
    return _present_upcoming(
        db, ("nextDate", 1), conditions, MAX_UNPAGED, actor, now, image_base_url
    )


def list_upcoming(db: Db, *, actor: Actor, now: datetime, image_base_url: str) -> list[EventView]:
    """Return up to MAX_UNPAGED upcoming events, sorted by eventId, for the Android app."""
    return _present_upcoming(db, ("eventId", 1), [], MAX_UNPAGED, actor, now, image_base_url)


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


def list_favorites(db: Db, *, actor: Actor, now: datetime, image_base_url: str) -> list[EventView]:
    """Return the caller's favorites that lists may show the caller, the newest favorite first."""
    ids = favorites.list_event_ids(db, actor.favorites_key)
    events = _load_in_order(db, ids) if ids else []
    visible = [
        event
        for event in events
        if rules.may_be_listed(event)
        or actor.may_manage_event(event["eventId"], event["organizerId"])
    ]
    return present_events(db, visible, actor, image_base_url, now)
