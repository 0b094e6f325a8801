"""What bookings add to the waitlist over HTTP: offers, accepting them, leaving with them."""

from typing import Any

from flask import Response

from eventapp.bookings import service, waitlist_offers
from eventapp.bookings.context import current_booking_context
from eventapp.bookings.routes.bookings import answered
from eventapp.bookings.schemas import AcceptBody, BookedAnswer, OffersAnswer
from eventapp.core.access.permissions import current_actor, user_required
from eventapp.core.clock import utc_now
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.fields import Message
from eventapp.core.http.responses import json_response

bp = Blueprint("offers", __name__, url_prefix="/api/waitlist", description="Waitlist")


@bp.route("/notifications")
@user_required
@bp.response(200, OffersAnswer)
def my_offers() -> Response:
    """The offers made to the caller, newest first."""
    offers = waitlist_offers.notifications(current_booking_context(), current_actor(), utc_now())
    return json_response({"notifications": offers})


@bp.route("/<whole:event_id>/accept", methods=["POST"])
@user_required
@bp.arguments(AcceptBody)
@bp.response(200, BookedAnswer)
@bp.error_responses(404, 409)
def accept_offer(body: dict[str, Any], event_id: int) -> Response:
    """Make the caller's open offer a confirmed booking, of fewer tickets if so asked."""
    booking = waitlist_offers.accept(
        current_booking_context(), event_id, current_actor(), body.get("quantity"), utc_now()
    )
    return answered("Booking confirmed", service.shown(booking))


@bp.route("/<whole:event_id>", methods=["DELETE"])
@user_required
@bp.response(200, Message)
@bp.error_responses(404)
def leave_waitlist(event_id: int) -> Response:
    """Leave an event's waitlist; an open offer is given back."""
    waitlist_offers.leave(current_booking_context(), event_id, current_actor(), utc_now())
    return json_response({"message": "You left the waitlist"})
