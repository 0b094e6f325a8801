"""The route that says what can be booked of an event now."""

from flask import Response

from eventapp.core import paging
from eventapp.core.access.permissions import anyone, current_actor
from eventapp.core.database import get_database_time, get_db
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.request_parser import parse_list_query
from eventapp.core.http.responses import conditional_response, json_response
from eventapp.core.json import JsonObject
from eventapp.core.paging import PageRequest
from eventapp.events import availability
from eventapp.events.availability import AvailabilityRequest
from eventapp.events.schemas.answers import AvailabilityAnswer
from eventapp.events.schemas.queries import AvailabilityQuery

bp = Blueprint("availability", __name__, url_prefix="/api/events", description="Events")


@bp.route("/<whole:event_id>/availability")
@anyone
@bp.arguments(AvailabilityQuery, location="query")
@bp.response(200, AvailabilityAnswer)
@bp.alt_response(304, success=True)
@bp.error_responses(404)
def show_availability(query: JsonObject, event_id: int) -> Response:
    """Say what can be booked now, for each date that is not over and each ticket type.

    The rows are ordered by `scheduleId` and `ticketTypeId`.
    """
    filters, position = parse_list_query(query, AvailabilityQuery)
    request = AvailabilityRequest(
        schedule_id=filters.get("scheduleId"),
        type_id=filters.get("ticketTypeId"),
        page=PageRequest(query["page"], query["limit"], position),
    )
    body, next_position = availability.list_availability(
        get_db(), event_id, request, actor=current_actor(), now=get_database_time()
    )
    body["nextCursor"] = paging.make_next_cursor(next_position, filters)
    return conditional_response(json_response(body))
