"""Routes of the figures of one event, of an organizer's events, and of all events for an admin."""

from collections.abc import Iterator

from bson import ObjectId
from flask import Response

from eventapp.analytics import attendee_tables, event_figures, service
from eventapp.analytics.schemas import (
    EventFiguresAnswer,
    EventsQuery,
    OverviewAnswer,
    RevenueAnswer,
    RevenueQuery,
    StatsAnswer,
)
from eventapp.core import paging
from eventapp.core.access.permissions import current_actor, make_actor_loader, role_required
from eventapp.core.clock import utc_now
from eventapp.core.database import get_db
from eventapp.core.http.app_context import current_config
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.request_parser import parse_list_query
from eventapp.core.http.responses import json_response
from eventapp.core.json import JsonObject
from eventapp.core.paging import PageRequest
from eventapp.core.roles import ORGANIZER

bp = Blueprint("analytics", __name__, url_prefix="/api/analytics", description="Analytics")
events_bp = Blueprint("event_figures", __name__, url_prefix="/api/events", description="Analytics")


@bp.route("/overview")
@role_required(ORGANIZER)
@bp.response(200, OverviewAnswer)
def overview() -> Response:
    """Return the overview: bookings, tickets, revenue, stock and waitlists.

    It covers the organizer's own events, or all events for an admin.
    """
    answer = service.get_overview(
        get_db(),
        service.find_organizer_scope(current_actor()),
        currency=current_config().currency,
    )
    return json_response(answer)


@bp.route("/revenue")
@role_required(ORGANIZER)
@bp.arguments(RevenueQuery, location="query")
@bp.response(200, RevenueAnswer)
def revenue(query: JsonObject) -> Response:
    """Return revenue and bookings by day, week or month. The default is the last 30 days."""
    period = service.RevenuePeriod(
        query.get("from"), query.get("to"), query["interval"], query["timezone"]
    )
    answer = service.get_revenue(
        get_db(),
        service.find_organizer_scope(current_actor()),
        period,
        now=utc_now(),
        currency=current_config().currency,
    )
    return json_response(answer)


@bp.route("/events")
@role_required(ORGANIZER)
@bp.arguments(EventsQuery, location="query")
@bp.response(200, EventFiguresAnswer)
@bp.response_link(200, "analytics_events", cursor="$response.body#/nextCursor")
def events(query: JsonObject) -> Response:
    """Return a page of events with their figures, the highest `sortBy` first.

    A cursor contains its `sortBy` and `status`. If the figure of an event changes while a client
    pages, that event moves in the list and may be listed twice or not at all; no other event is.
    """
    return respond_events(query, service.find_organizer_scope(current_actor()))


def respond_events(query: JsonObject, organizer_id: ObjectId | None) -> Response:
    """Return the answer to a request for a page of events with their figures.

    Args:
        query: the query parameters as EventsQuery has loaded them.
        organizer_id: list only this organizer's events.
    """
    filters, list_position = parse_list_query(query, EventsQuery)
    page = service.list_events(
        get_db(),
        organizer_id,
        PageRequest(query["page"], query["limit"], list_position),
        sort_by=filters["sortBy"],
        status=filters.get("status"),
    )
    return respond_page(page, filters)


def respond_page(page: service.ListPage, filters: JsonObject) -> Response:
    """Return an answer with a page and the cursor of the next one."""
    cursor = paging.make_next_cursor(page.next_position, filters)
    return json_response({**page.body, "nextCursor": cursor})


@events_bp.route("/<whole:event_id>/stats")
@role_required(ORGANIZER)
@events_bp.response(200, StatsAnswer)
@events_bp.error_responses(404)
def event_stats(event_id: int) -> Response:
    """Return the figures of an event: in total, by ticket type and by day."""
    answer = event_figures.get_event_stats(
        get_db(), event_id, current_actor(), currency=current_config().currency
    )
    return json_response(answer)


@events_bp.route("/<whole:event_id>/bookings.csv")
@role_required(ORGANIZER)
@events_bp.response(200, content_type="text/csv")
@events_bp.error_responses(404)
def event_bookings_csv(event_id: int) -> Response:
    """Return all bookings of an event, newest first, as CSV in UTF-8 with a byte order mark."""
    actor = current_actor()
    chunks = event_figures.stream_bookings_csv(get_db(), event_id, actor, make_actor_loader(actor))
    return _csv_response(chunks, f"bookings-{event_id}.csv")


@events_bp.route("/<whole:event_id>/attendees.csv")
@role_required(ORGANIZER)
@events_bp.response(200, content_type="text/csv")
@events_bp.error_responses(404)
def event_attendees_csv(event_id: int) -> Response:
    """Return all valid tickets of an event with who booked, who comes and the answers, as CSV.

    It is in UTF-8 with a byte order mark, and has a column for each question of the event, also for
    those that were deleted after they were answered.
    """
    actor = current_actor()
    chunks = attendee_tables.stream_attendees_csv(
        get_db(), event_id, actor, make_actor_loader(actor)
    )
    return _csv_response(chunks, f"attendees-{event_id}.csv")


def _csv_response(chunks: Iterator[bytes], file_name: str) -> Response:
    response = Response(chunks, content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{file_name}"'
    return response
