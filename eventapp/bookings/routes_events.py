"""What bookings add to events over HTTP: their bookings, and ending it with all it has."""

from typing import Any

from flask import Response

from eventapp.bookings import service_events, service_list
from eventapp.bookings.routes import listed, shop
from eventapp.bookings.schemas import BookingsAnswer, EventBookingsQuery
from eventapp.core.clock import utc_now
from eventapp.core.fields import Message
from eventapp.core.http import Blueprint, catalog, images_at, json_response
from eventapp.core.security import ORGANIZER, current_actor, role_required

bp = Blueprint("event_bookings", __name__, url_prefix="/api/events", description="Bookings")


@bp.route("/<whole:event_id>/bookings")
@role_required(ORGANIZER)
@bp.arguments(EventBookingsQuery, location="query")
@bp.response(200, BookingsAnswer)
@bp.refuses(404)
def event_bookings(query: dict[str, Any], event_id: int) -> Response:
    """The bookings of one's event, newest first."""

    def find(asked: service_list.Asked) -> dict[str, Any]:
        return service_list.of_event(shop(), event_id, current_actor(), asked, utc_now())

    return listed(query, EventBookingsQuery, find)


@bp.route("/<whole:event_id>/cancel", methods=["POST"])
@role_required(ORGANIZER)
@bp.response(200, description="The cancelled event")
@bp.refuses(404, 409)
def cancel_event(event_id: int) -> Response:
    """Cancel the event, and cancel and refund all its bookings."""
    event = service_events.cancel_event(
        shop(), event_id, current_actor(), now=utc_now(), images_at=images_at()
    )
    catalog().changed(event_id)
    return json_response(event)


@bp.route("/<whole:event_id>", methods=["DELETE"])
@role_required(ORGANIZER)
@bp.response(200, Message)
@bp.refuses(404, 409)
def delete_event(event_id: int) -> Response:
    """Delete an event that nobody has tickets of; who waits for them waits no longer."""
    service_events.delete_event(shop(), event_id, current_actor(), utc_now())
    catalog().changed(event_id)
    return json_response({"message": "Event deleted successfully"})
