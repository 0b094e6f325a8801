"""Routes of the figures of one event, of an organizer's events, and of all events for an admin."""

from flask import Response

from eventapp.analytics import event_figures, service
from eventapp.analytics.schemas import (
    EventFiguresAnswer,
    EventsQuery,
    OverviewAnswer,
    RevenueAnswer,
    RevenueQuery,
    StatsAnswer,
)
from eventapp.core.access.permissions import current_actor, role_required
from eventapp.core.clock import utc_now
from eventapp.core.database import get_db
from eventapp.core.http.app_context import current_config
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.responses import json_response
from eventapp.core.json import JsonObject
from eventapp.core.roles import ORGANIZER

bp = Blueprint("analytics", __name__, url_prefix="/api/analytics", description="Analytics")
events_bp = Blueprint("event_figures", __name__, url_prefix="/api/events", description="Analytics")

# The service's parameters by the names of the query's fields, where the names differ.
PARAMETER_NAMES = {"sortBy": "sort_by"}


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
def events(query: JsonObject) -> Response:
    """Return a page of events with their figures, the highest `sortBy` first."""
    organizer_id = service.find_organizer_scope(current_actor())
    return json_response(
        service.list_events(get_db(), organizer_id, **make_service_arguments(query))
    )


def make_service_arguments(query: JsonObject) -> JsonObject:
    """Return the values of a query by the names of the service's parameters."""
    return {PARAMETER_NAMES.get(name, name): value for name, value in query.items()}


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
    chunks = event_figures.stream_bookings_csv(get_db(), event_id, current_actor())
    response = Response(chunks, content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="bookings-{event_id}.csv"'
    return response
