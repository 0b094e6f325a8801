"""The route of the log of an event, for its organizer and admins."""

from flask import Response

from eventapp.core import paging
from eventapp.core.access.permissions import current_actor, role_required
from eventapp.core.database import get_db
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.request_parser import parse_list_query
from eventapp.core.http.responses import json_response
from eventapp.core.json import JsonObject
from eventapp.core.paging import PageRequest
from eventapp.core.roles import ORGANIZER
from eventapp.events import log_lists
from eventapp.events.schemas.event_log import LogAnswer, LogQuery

bp = Blueprint("event_log", __name__, url_prefix="/api/events", description="Events")


@bp.route("/<whole:event_id>/log")
@role_required(ORGANIZER)
@bp.arguments(LogQuery, location="query")
@bp.response(200, LogAnswer)
@bp.response_link(
    200,
    "event_log_list_entries",
    event_id="$request.path.event_id",
    cursor="$response.body#/nextCursor",
)
@bp.error_responses(404)
def list_entries(query: JsonObject, event_id: int) -> Response:
    """List who changed what of the caller's event and when, the newest change first.

    Sales and changes by time itself, such as the end of the event, are not in the log.
    """
    _filters, list_position = parse_list_query(query, LogQuery)
    request = PageRequest(query["page"], query["limit"], list_position)
    body, next_position = log_lists.list_entries(get_db(), event_id, request, current_actor())
    return json_response({**body, "nextCursor": paging.make_next_cursor(next_position, {})})
