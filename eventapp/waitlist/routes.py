"""Routes to join a waitlist and to list the caller's entries.

The routes for offers, and to leave a waitlist (which declines offers), are in
`eventapp.bookings.routes.offers`.
"""

from flask import Response

from eventapp.core import paging
from eventapp.core.access.permissions import current_actor, user_required
from eventapp.core.clock import utc_now
from eventapp.core.database import get_db
from eventapp.core.http.app_context import current_config
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.request_parser import parse_list_query
from eventapp.core.http.responses import json_response
from eventapp.core.json import JsonObject
from eventapp.core.paging import PageRequest
from eventapp.waitlist import joining, listing
from eventapp.waitlist.schemas import EntriesAnswer, EntriesQuery, JoinedAnswer, WaitlistBody
from eventapp.waitlist.types import JoinInput

bp = Blueprint("waitlist", __name__, url_prefix="/api/waitlist", description="Waitlist")
BLUEPRINTS = (bp,)


@bp.route("", methods=["POST"])
@bp.route("/join", methods=["POST"], endpoint="join")
@user_required
@bp.arguments(WaitlistBody)
@bp.response(201, JoinedAnswer)
@bp.response_link(201, "offers_leave_waitlist", event_id="$request.body#/eventId")
@bp.response_link(201, "offers_accept_offer", event_id="$request.body#/eventId")
@bp.error_responses(404, 409)
def join_waitlist(body: JoinInput) -> Response:
    """Join the waitlist of a ticket type and schedule entry that have no tickets left."""
    entry = joining.join_waitlist(
        get_db(),
        joining.INVENTORY.get(),
        actor=current_actor(),
        event_id=body["eventId"],
        type_id=body.get("ticketTypeId"),
        schedule_id=body.get("scheduleId"),
        schedule_index=body.get("scheduleIndex"),
        quantity=body["quantity"],
        max_quantity=current_config().max_tickets_per_user,
        count_tickets=joining.TICKET_COUNTER.get(),
        requires_verified_email=current_config().require_verified_email,
        now=utc_now(),
    )
    message = f"You are number {entry['position']} on the waitlist."
    return json_response({"message": message, "data": {"waitlistEntry": entry}}, 201)


@bp.route("", endpoint="my_places")  # the endpoint is the operationId
@user_required
@bp.arguments(EntriesQuery, location="query")
@bp.response(200, EntriesAnswer)
@bp.response_link(200, "waitlist_my_places", cursor="$response.body#/nextCursor")
def list_my_entries(query: JsonObject) -> Response:
    """List the caller's active entries, newest first, with their positions: 1 is next."""
    _filters, list_position = parse_list_query(query, EntriesQuery)
    request = PageRequest(query["page"], query["limit"], list_position)
    body, next_position = listing.list_entries(get_db(), current_actor().require_user_id(), request)
    return json_response({**body, "nextCursor": paging.make_next_cursor(next_position, {})})
