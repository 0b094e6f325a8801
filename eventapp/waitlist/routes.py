"""Joining a waitlist, and one's own places, over HTTP. What touches offers: bookings."""

from typing import Any

from flask import Response

from eventapp.core.access.permissions import current_actor, user_required
from eventapp.core.clock import utc_now
from eventapp.core.database import get_db
from eventapp.core.http.app_context import current_config
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.responses import json_response
from eventapp.waitlist import joining, service
from eventapp.waitlist.schemas import EntriesAnswer, JoinedAnswer, WaitlistBody

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
def join_waitlist(body: dict[str, Any]) -> Response:
    """Wait for tickets of a type that has none left."""
    entry = joining.join(
        get_db(),
        service.INVENTORY.get(),
        actor=current_actor(),
        event_id=body["eventId"],
        type_id=body.get("ticketTypeId"),
        quantity=body["quantity"],
        most=current_config().max_tickets_per_user,
        now=utc_now(),
    )
    message = f"You are number {entry['position']} on the waitlist."
    return json_response({"message": message, "data": {"waitlistEntry": entry}}, 201)


@bp.route("")
@user_required
@bp.response(200, EntriesAnswer)
def my_places() -> Response:
    """The caller's entries, each with its position: 1 is next."""
    return json_response({"waitlist": service.mine(get_db(), current_actor().require_user_id())})
