"""Routes for the holder of tickets."""

from bson import ObjectId
from flask import Response

from eventapp.core.access.permissions import current_actor, user_required
from eventapp.core.clock import utc_now
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.responses import json_response
from eventapp.tickets import calendar_entry, service
from eventapp.tickets.schemas import TicketsAnswer
from eventapp.tickets.service import current_booking_context
from eventapp.tickets.types import PictureFormat

bp = Blueprint("tickets", __name__, url_prefix="/api", description="Tickets")


@bp.route("/bookings/<oid:booking_id>/tickets")
@user_required
@bp.response(200, TicketsAnswer)
@bp.error_responses(404)
def booking_tickets(booking_id: ObjectId) -> Response:
    """List the tickets of a booking of the caller; there are none unless it is confirmed."""
    tickets = service.list_tickets(
        current_booking_context(), booking_id, current_actor(), utc_now()
    )
    return json_response({"tickets": tickets})


@bp.route("/tickets/<ticket_id>/qr.png")
@user_required
@bp.response(200, content_type="image/png")
@bp.error_responses(404)
def ticket_png(ticket_id: str) -> Response:
    """Return the QR code of a ticket of the caller as PNG."""
    return _draw_picture(ticket_id, "png", "image/png")


@bp.route("/tickets/<ticket_id>/qr.svg")
@user_required
@bp.response(200, content_type="image/svg+xml")
@bp.error_responses(404)
def ticket_svg(ticket_id: str) -> Response:
    """Return the QR code of a ticket of the caller as SVG, to be printed in any size."""
    return _draw_picture(ticket_id, "svg", "image/svg+xml")


def _draw_picture(ticket_id: str, picture_format: PictureFormat, content_type: str) -> Response:
    picture = service.draw_ticket(
        current_booking_context(), ticket_id, picture_format, current_actor(), utc_now()
    )
    return Response(picture, content_type=content_type)


@bp.route("/bookings/<oid:booking_id>/calendar.ics")
@user_required
@bp.response(200, content_type="text/calendar")
@bp.error_responses(404)
def booking_calendar(booking_id: ObjectId) -> Response:
    """Return a booking of the caller as an iCalendar file, in the zone of its event."""
    reference, calendar = calendar_entry.build_calendar(
        current_booking_context(), booking_id, current_actor()
    )
    response = Response(calendar, content_type="text/calendar; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{reference}.ics"'
    return response
