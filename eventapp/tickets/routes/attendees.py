"""The list of the attendees of an event, for those who manage it."""

from flask import Response

from eventapp.core import paging
from eventapp.core.access.permissions import current_actor, role_required
from eventapp.core.database import get_db
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.request_parser import parse_list_query
from eventapp.core.http.responses import json_response
from eventapp.core.json import JsonObject
from eventapp.core.roles import ORGANIZER
from eventapp.tickets import attendee_lists
from eventapp.tickets.attendee_lists import AttendeeFilters
from eventapp.tickets.schemas import AttendeesAnswer, AttendeesQuery

bp = Blueprint("event_attendees", __name__, url_prefix="/api/events", description="Attendees")


@bp.route("/<whole:event_id>/attendees")
@role_required(ORGANIZER)
@bp.arguments(AttendeesQuery, location="query")
@bp.response(200, AttendeesAnswer)
@bp.response_link(
    200,
    "event_attendees_list_attendees",
    event_id="$request.path.event_id",
    cursor="$response.body#/nextCursor",
)
@bp.error_responses(404)
def list_attendees(query: JsonObject, event_id: int) -> Response:
    """List the valid tickets of an event with who booked and who comes, the newest first.

    A cursor contains its filters. With `search` or `checkedIn`, a page may have fewer rows than
    `limit`, or none, although there is a `nextCursor`.
    """
    filters, list_position = parse_list_query(query, AttendeesQuery)
    rows, next_position = attendee_lists.list_attendees(
        get_db(),
        event_id,
        current_actor(),
        AttendeeFilters(
            search=filters.get("search"),
            type_id=filters.get("ticketTypeId"),
            schedule_id=filters.get("scheduleId"),
            checked_in=filters.get("checkedIn"),
        ),
        limit=query["limit"],
        list_position=list_position,
    )
    cursor = paging.make_next_cursor(next_position, filters)
    return json_response({"attendees": rows, "limit": query["limit"], "nextCursor": cursor})
