"""The waitlist of an event, for those who manage it."""

from flask import Response

from eventapp.bookings import event_waitlists
from eventapp.bookings.attendee_schemas import EventWaitlistAnswer, EventWaitlistQuery
from eventapp.bookings.context import current_booking_context
from eventapp.core import paging
from eventapp.core.access.permissions import current_actor, role_required
from eventapp.core.clock import utc_now
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.request_parser import parse_list_query
from eventapp.core.http.responses import json_response
from eventapp.core.json import JsonObject
from eventapp.core.roles import ORGANIZER

bp = Blueprint("event_waitlists", __name__, url_prefix="/api/events", description="Attendees")


@bp.route("/<whole:event_id>/waitlist")
@role_required(ORGANIZER)
@bp.arguments(EventWaitlistQuery, location="query")
@bp.response(200, EventWaitlistAnswer)
@bp.response_link(
    200,
    "event_waitlists_list_waitlist",
    event_id="$request.path.event_id",
    cursor="$response.body#/nextCursor",
)
@bp.error_responses(404)
def list_waitlist(query: JsonObject, event_id: int) -> Response:
    """List who waits for tickets of an event, in the order in which they joined.

    `position` counts those who wait for the same ticket type and date: 1 is next. The first page
    also has the open offers.
    """
    _filters, list_position = parse_list_query(query, EventWaitlistQuery)
    body, next_position = event_waitlists.list_waitlist(
        current_booking_context(),
        event_id,
        current_actor(),
        limit=query["limit"],
        list_position=list_position,
        now=utc_now(),
    )
    return json_response({**body, "nextCursor": paging.make_next_cursor(next_position, {})})
