"""The route by which the holder of a ticket says who comes with it."""

from flask import Response

from eventapp.bookings import attendees
from eventapp.bookings.attendee_schemas import AttendeeAnswer, AttendeeBody
from eventapp.bookings.bodies import NewAttendee
from eventapp.bookings.context import current_booking_context
from eventapp.core.access.permissions import current_actor, user_required
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.responses import json_response

bp = Blueprint("ticket_attendees", __name__, url_prefix="/api/tickets", description="Tickets")


@bp.route("/<ticket_id>/attendee", methods=["PUT"])
@user_required
@bp.arguments(AttendeeBody)
@bp.response(200, AttendeeAnswer)
@bp.error_responses(404, 409)
def set_attendee(body: NewAttendee, ticket_id: str) -> Response:
    """Say who comes with a ticket of the caller, until it is checked in.

    It replaces the attendee that the ticket has. Who sees it: see `POST /bookings`.
    """
    context, actor = current_booking_context(), current_actor()
    return json_response(dict(attendees.set_attendee(context, ticket_id, body, actor)))
