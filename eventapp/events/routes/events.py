"""Events over HTTP: lists, single events, their whole life but their parts (`routes_parts`)."""

from typing import Any, cast

from flask import Response, request
from marshmallow import ValidationError

from eventapp.core import paging
from eventapp.core.access.actor import Actor
from eventapp.core.access.permissions import anyone, current_actor, role_required
from eventapp.core.clock import utc_now
from eventapp.core.database import Document, get_db
from eventapp.core.http.app_context import image_base_url
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.openapi import LOCATION_HEADER
from eventapp.core.http.responses import (
    bytes_response,
    conditional_response,
    created_response,
    json_response,
)
from eventapp.core.roles import ORGANIZER
from eventapp.events import editing, listing, service
from eventapp.events.answer_schemas import BareEventsAnswer, EventAnswer, EventsAnswer
from eventapp.events.cache.event_cache import EVENT_CACHE
from eventapp.events.cache.rendering import ListPage
from eventapp.events.filters import Filters
from eventapp.events.popularity import POPULARITY
from eventapp.events.schemas import EventBody, EventQuery, PopularQuery

# What a cursor keeps of the query that its list began with.
CARRIED = frozenset(EventQuery().fields) - {"cursor", "page", "limit"}
POPULAR_SECONDS = 5
EVENT_ID = "$response.body#/eventId"
TYPE_ID = "$response.body#/ticketTypes/0/ticketTypeId"
ORDER = {"eventId": EVENT_ID, "ticketTypeId": TYPE_ID}
bp = Blueprint("events", __name__, url_prefix="/api/events", description="Events")


@bp.route("")
@anyone
@bp.query_arguments(EventQuery)
@bp.response(200, EventsAnswer)
@bp.response_link(200, "events_list_events", cursor="$response.body#/nextCursor")
@bp.alt_response(304, success=True)
def list_events(query: dict[str, Any]) -> Response:
    """Browse and search. A cursor carries its own filters; only `limit` counts beside it."""
    db, actor, now = get_db(), current_actor(), utc_now()
    # Under this key are only lists that hold nobody's own.
    key: tuple[Any, ...] = (request.query_string, now.date())
    if not actor.may_organize and (page := EVENT_CACHE.get().get_page(key)):
        return _page_response(page, actor)
    asked, carried = _asked(query)
    if asked.filters.mine or actor.may_organize:
        answer = listing.list_events(
            db,
            asked,
            actor=actor,
            now=now,
            image_base_url=image_base_url(),
            search=EVENT_CACHE.get().search,
        )
        return conditional_response(json_response(_with_cursor(answer, carried)))

    def find() -> tuple[list[Document] | list[int], dict[str, Any]]:
        rows, beside = listing.find(db, asked, actor, now, EVENT_CACHE.get().search)
        return rows, _with_cursor(beside, carried)

    if asked.sort_by == "popularity":  # which changes without a change of the events
        key += (int(now.timestamp() // POPULAR_SECONDS),)
    return _page_response(EVENT_CACHE.get().load_page(key, find), actor)


def _page_response(page: ListPage, actor: Actor) -> Response:
    rendered = EVENT_CACHE.get().render_page(page, actor.favorites_key, image_base_url())
    return conditional_response(bytes_response(rendered.body), rendered.etag)


def _asked(query: dict[str, Any]) -> tuple[listing.Asked, Any]:
    """The list that is asked for, and what of the query its next cursor is to carry."""
    carried: Any = {name: value for name, value in request.args.items() if name in CARRIED}
    after, limit = None, query["limit"]
    if cursor := query.get("cursor"):
        after = paging.decode_cursor(cursor)
        carried = after.get("query")
        query = _query_of(carried)
    asked = listing.Asked(
        filters=_filters(query),
        sort_by=query.get("sortBy"),
        descending="desc" in (query.get("sortOrder"), query.get("order")),
        page=query.get("page", 1),
        limit=limit,
        after=after,
    )
    return asked, carried


def _with_cursor(answer: dict[str, Any], carried: Any) -> dict[str, Any]:
    place = answer.pop("next")
    return {**answer, "nextCursor": place and paging.encode_cursor({**place, "query": carried})}


def _query_of(asked: Any) -> dict[str, Any]:
    """The query a cursor carries, checked again: anyone may write one."""
    try:
        return cast(dict[str, Any], EventQuery(only=CARRIED).load(asked))
    except ValidationError:
        raise paging.invalid_cursor() from None


def _filters(query: dict[str, Any]) -> Filters:
    return Filters(
        search=query.get("search", ""),
        city=query.get("city", ""),
        category=query.get("category"),
        date_from=query.get("dateFrom"),
        date_to=query.get("dateTo"),
        available_only=query["availableOnly"],
        upcoming=query["upcoming"],
        min_price=query.get("minPrice"),
        max_price=query.get("maxPrice"),
        tags=tuple(query.get("tags", ())),
        organizer_id=query.get("organizerId"),
        mine=query["mine"],
    )


@bp.route("/popular")
@anyone
@bp.arguments(PopularQuery, location="query")
@bp.response(200, BareEventsAnswer)
@bp.alt_response(304, success=True)
def popular_events(query: dict[str, Any]) -> Response:
    """The most popular upcoming events, best first."""
    found = listing.popular(
        get_db(),
        limit=query["limit"],
        actor=current_actor(),
        image_base_url=image_base_url(),
    )
    return conditional_response(json_response({"events": found}))


@bp.route("", methods=["POST"])
@role_required(ORGANIZER)
@bp.arguments(EventBody)
@bp.response(201, EventAnswer, headers=LOCATION_HEADER)
@bp.response_link(201, "event_parts_patch_type", event_id=EVENT_ID, ticket_type_id=TYPE_ID)
@bp.response_link(201, "event_parts_drop_type", event_id=EVENT_ID, ticket_type_id=TYPE_ID)
@bp.response_link(201, "bookings_create_booking", {**ORDER, "quantity": 1})
@bp.response_link(201, "waitlist_join_waitlist", ORDER)
def create_event(body: dict[str, Any]) -> Response:
    """A new event of the caller; the server gives the eventId."""
    event = service.create(
        get_db(),
        body,
        event_changes=EVENT_CACHE.get(),
        actor=current_actor(),
        now=utc_now(),
        image_base_url=image_base_url(),
    )
    return created_response(event, f"/api/events/{event['eventId']}")


@bp.route("/<whole:event_id>")
@anyone
@bp.response(200, EventAnswer)
@bp.alt_response(304, success=True)
@bp.error_responses(404)
def show_event(event_id: int) -> Response:
    """The bare event."""
    db, actor = get_db(), current_actor()
    event = EVENT_CACHE.get().get_event(event_id)
    if event.is_draft or actor.may_manage_events_of(event.organizer_id):
        shown = service.show(db, event_id, actor=actor, image_base_url=image_base_url())
        return conditional_response(json_response(shown))
    POPULARITY.get().add_view(event_id)
    favorited = event_id in EVENT_CACHE.get().get_favorites(actor.favorites_key)
    body = event.to_json(image_base_url(), favorited=favorited)
    return conditional_response(bytes_response(body))


@bp.route("/<whole:event_id>", methods=["PUT"])
@role_required(ORGANIZER)
@bp.arguments(EventBody)
@bp.response(200, EventAnswer)
@bp.error_responses(404, 409)
def replace_event(body: dict[str, Any], event_id: int) -> Response:
    """Replace all but ids, sold and held counts."""
    return edited(event_id, editing.replacement(body))


@bp.route("/<whole:event_id>/publish", methods=["POST"])
@role_required(ORGANIZER)
@bp.response(200, EventAnswer)
@bp.error_responses(404, 409)
def publish_event(event_id: int) -> Response:
    """Put a draft on sale; publishing twice is no error."""
    return edited(event_id, editing.publishing())


def edited(event_id: int, change: editing.Change) -> Response:
    """The event after this change by the caller."""
    event = editing.edit(
        get_db(),
        event_id,
        change,
        event_changes=EVENT_CACHE.get(),
        actor=current_actor(),
        now=utc_now(),
        image_base_url=image_base_url(),
    )
    return json_response(event)
