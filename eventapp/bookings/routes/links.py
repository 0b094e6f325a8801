"""Routes of the link of a booking, which opens the booking without a login."""

from bson import ObjectId
from flask import Response

from eventapp.bookings import links
from eventapp.bookings.context import current_booking_context
from eventapp.bookings.link_schemas import (
    BookingLinkAnswer,
    BookingLinkBody,
    BookingLinkTokenAnswer,
)
from eventapp.core.access.link_callers import make_link_token
from eventapp.core.access.permissions import anonymous, current_actor, user_required
from eventapp.core.access.rate_limits import limit_guesses
from eventapp.core.clock import utc_now
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.responses import json_response

bp = Blueprint("booking_links", __name__, url_prefix="/api/bookings", description="Bookings")


@bp.route("/link", methods=["POST"])
@anonymous
@bp.arguments(BookingLinkBody)
@bp.response(200, BookingLinkTokenAnswer)
@bp.error_responses(404)
def open_link(body: dict[str, str]) -> Response:
    """Exchange the key of a booking's link for a token, which is good for 15 minutes.

    The token acts for the holder of the booking, for this booking alone: to read it, its tickets,
    QR codes, receipt and calendar entry, to name who comes, to pay for it or accept the offer that
    it is, and to cancel all or some of its tickets. Every other call is 403 `not_for_links`.

    The link ends 30 days after the event, and its tokens end with it; also when the holder rotates
    it, changes the email, changes or resets the password, or deletes the account. An unknown
    reference and a wrong key are the same 404, and count as guesses of a secret.
    """
    context, now = current_booking_context(), utc_now()
    with limit_guesses(links.KEY_REFUSALS):
        opened = links.open_link(context, body["reference"], body["key"], now)
    expires_at = links.limit_token(opened, now)
    return json_response(
        {
            "token": make_link_token(opened.link, expires_at),
            "expiresAt": expires_at,
            "bookingId": opened.booking["_id"],
        }
    )


@bp.route("/<oid:booking_id>/link/rotate", methods=["POST"])
@user_required
@bp.response(200, BookingLinkAnswer)
@bp.error_responses(404, 409)
def rotate_link(booking_id: ObjectId) -> Response:
    """Make a new link of a booking of the caller. The links of earlier mails end, and their tokens.

    Whoever has the link may do for the booking what `POST /bookings/link` says.
    """
    link = links.rotate_link(current_booking_context(), booking_id, current_actor(), utc_now())
    return json_response({"link": link})
