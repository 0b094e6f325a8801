"""Routes of the waitlist that concern offers: list offers, accept one, leave the waitlist."""

from flask import Response

from eventapp.bookings import offer_answers, offer_lists, service
from eventapp.bookings.bodies import AcceptInput
from eventapp.bookings.context import current_booking_context
from eventapp.bookings.routes.bookings import booking_response
from eventapp.bookings.schemas import (
    AcceptBody,
    BookedAnswer,
    LeaveQuery,
    OffersAnswer,
    OffersQuery,
)
from eventapp.bookings.types import StoredBooking
from eventapp.core import paging
from eventapp.core.access.permissions import current_actor, user_required
from eventapp.core.clock import utc_now
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.fields import Message
from eventapp.core.http.request_parser import parse_list_query
from eventapp.core.http.responses import json_response
from eventapp.core.json import JsonObject
from eventapp.core.paging import PageRequest

bp = Blueprint("offers", __name__, url_prefix="/api/waitlist", description="Waitlist")


@bp.route("/notifications", endpoint="my_offers")
@user_required
@bp.arguments(OffersQuery, location="query")
@bp.response(200, OffersAnswer)
@bp.response_link(200, "offers_my_offers", cursor="$response.body#/nextCursor")
def list_own_offers(query: JsonObject) -> Response:
    """List the offers to the caller, newest first."""
    _filters, list_position = parse_list_query(query, OffersQuery)
    request = PageRequest(query["page"], query["limit"], list_position)
    body, next_position = offer_lists.list_offers(
        current_booking_context(), current_actor(), request, utc_now()
    )
    return json_response({**body, "nextCursor": paging.make_next_cursor(next_position, {})})


@bp.route("/<whole:event_id>/accept", methods=["POST"])
@user_required
@bp.arguments(AcceptBody)
@bp.response(200, BookedAnswer)
@bp.error_responses(404, 409)
def accept_offer(body: AcceptInput, event_id: int) -> Response:
    """Accept an open offer to the caller, for all or some of its tickets.

    A quantity that is greater than the offer takes all of it; the message says so.
    """
    quantity, context = body.get("quantity"), current_booking_context()
    accepted = offer_answers.accept_offer(
        context,
        event_id,
        current_actor(),
        quantity,
        utc_now(),
        booking_id=body.get("bookingId"),
    )
    booking = service.render_current(
        context, accepted.booking, current_actor(), accepted.client_secret
    )
    return booking_response(_describe_acceptance(accepted.booking, quantity), booking)


def _describe_acceptance(booking: StoredBooking, quantity: int | None) -> str:
    """Return what was done, if it is not what the caller asked for or if tickets went back."""
    booked = booking["quantity"]
    if booking["status"] == "held":
        return f"Payment begun for {_format_tickets(booked)}"
    returned = booking.get("offeredQuantity", booked) - booked
    if returned > 0:
        rest = f"{_format_tickets(returned)} of the offer went back"
        return f"Booking confirmed: {_format_tickets(booked)}; {rest}"
    if quantity is not None and quantity > booked:
        return f"Booking confirmed: {_format_tickets(booked)}; no more were offered"
    return "Booking confirmed"


def _format_tickets(count: int) -> str:
    return f"{count} ticket{'' if count == 1 else 's'}"


@bp.route("/<whole:event_id>", methods=["DELETE"])
@user_required
@bp.arguments(LeaveQuery, location="query")
@bp.response(200, Message)
@bp.error_responses(404)
def leave_waitlist(query: JsonObject, event_id: int) -> Response:
    """Leave an event's waitlist, of one or all of its dates, and decline the open offers of it."""
    left = offer_answers.leave_waitlist(
        current_booking_context(),
        event_id,
        current_actor(),
        utc_now(),
        schedule_id=query.get("scheduleId"),
    )
    declined = f"declined the offer of {_format_tickets(left.tickets)}"
    if not left.tickets:
        message = "You left the waitlist"
    elif left.entries:
        message = f"You left the waitlist and {declined}"
    else:
        message = f"You {declined}"
    return json_response({"message": message})
