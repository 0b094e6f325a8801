"""Routes for the organizer of an event: list its bookings, cancel it, delete it."""

from flask import Response

from eventapp.bookings import event_closing, service
from eventapp.bookings.context import current_booking_context
from eventapp.bookings.routes.bookings import page_response
from eventapp.bookings.schemas import BookingsAnswer, EventBookingsQuery
from eventapp.core.access.permissions import current_actor, open_in_demo, role_required
from eventapp.core.clock import utc_now
from eventapp.core.http.app_context import get_image_base_url
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.fields import Message
from eventapp.core.http.responses import json_response
from eventapp.core.json import JsonObject
from eventapp.core.roles import ORGANIZER

bp = Blueprint("event_bookings", __name__, url_prefix="/api/events", description="Bookings")


@bp.route("/<whole:event_id>/bookings", endpoint="event_bookings")
@role_required(ORGANIZER)
@bp.arguments(EventBookingsQuery, location="query")
@bp.response(200, BookingsAnswer)
@bp.error_responses(404)
def list_event_bookings(query: JsonObject, event_id: int) -> Response:
    """List the bookings of the caller's event, newest first."""

    def find_page(parsed: service.BookingPageRequest) -> JsonObject:
        return service.list_event_bookings(
            current_booking_context(), event_id, current_actor(), parsed, utc_now()
        )

    return page_response(query, EventBookingsQuery, find_page)


@bp.route("/<whole:event_id>/cancel", methods=["POST"])
@role_required(ORGANIZER)
@bp.response(200, description="The cancelled event")
@bp.error_responses(404, 409)
def cancel_event(event_id: int) -> Response:
    """Cancel the event, and cancel and refund all its bookings."""
    event = event_closing.cancel_event(
        current_booking_context(),
        event_id,
        current_actor(),
        now=utc_now(),
        image_base_url=get_image_base_url(),
    )
    return json_response(event)


@bp.route("/<whole:event_id>", methods=["DELETE"])
@open_in_demo
@role_required(ORGANIZER)
@bp.response(200, Message)
@bp.error_responses(404, 409)
def delete_event(event_id: int) -> Response:
    """Delete an event without active bookings, and close its waitlist."""
    event_closing.delete_event(current_booking_context(), event_id, current_actor(), utc_now())
    return json_response({"message": "Event deleted successfully"})
