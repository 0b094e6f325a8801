"""Bookings over HTTP."""

import hashlib
from collections.abc import Callable
from typing import Any

from bson import ObjectId
from flask import Response, request
from marshmallow import Schema

from eventapp.bookings import listing, ordering, service, transitions, waitlist_offers
from eventapp.bookings.context import current_booking_context
from eventapp.bookings.schemas import BookedAnswer, BookingBody, BookingsAnswer, BookingsQuery
from eventapp.core import json, paging
from eventapp.core.access.permissions import current_actor, user_required
from eventapp.core.clock import utc_now
from eventapp.core.errors import Forbidden, ValidationFailed
from eventapp.core.http import cursors
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.openapi import LOCATION_HEADER
from eventapp.core.http.responses import created_response, json_response

bp = Blueprint("bookings", __name__, url_prefix="/api/bookings", description="Bookings")
users_bp = Blueprint("user_bookings", __name__, url_prefix="/api/users", description="Bookings")
MAX_KEY, BOOKED = 200, 201
REFERENCE = "$response.body#/data/booking/bookingReference"


@bp.route("", methods=["POST"])
@user_required
@bp.arguments(BookingBody)
@bp.header_parameter("Idempotency-Key", maxLength=MAX_KEY, pattern=r"^[ -~\xa1-\xac\xae-\xff]+$")
@bp.response(201, BookedAnswer, headers=LOCATION_HEADER)
@bp.response_link(201, "bookings_show_by_reference", reference=REFERENCE)
@bp.alt_response(202, schema=BookedAnswer, success=True)
@bp.error_responses(404, 409)
def create_booking(body: dict[str, Any]) -> Response:
    """Book tickets for the caller, once for each `Idempotency-Key`."""
    order = _order(body, _idempotency_key())
    answer = ordering.book(current_booking_context(), current_actor(), order, utc_now())
    said = {"message": answer.message, "data": answer.data}
    if answer.status != BOOKED:
        return json_response(said, answer.status)
    return created_response(said, f"/api/bookings/{answer.data['booking']['_id']}")


def _idempotency_key() -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and not (1 <= len(key) <= MAX_KEY and key.isprintable()):
        said = {"Idempotency-Key": [f"Must have 1 to {MAX_KEY} printable characters"]}
        raise ValidationFailed("Invalid Idempotency-Key", errors=said)
    return key


def _order(body: dict[str, Any], key: str | None) -> service.Order:
    items = body.get("items", [])
    if "ticketTypeId" in body or "type" in body:
        items = [{**body, "quantity": body.get("quantity", 1)}]
    named = tuple((i.get("ticketTypeId"), i.get("type"), i["quantity"]) for i in items)
    return service.Order(
        event_id=body["eventId"],
        named=named,
        bare=None if named else body["quantity"],
        schedule_index=body.get("scheduleIndex"),
        hold=body["hold"],
        on_shortfall=body.get("onShortfall"),
        key=key,
        digest=hashlib.blake2b(json.dumps(body), digest_size=16).hexdigest() if key else "",
    )


@bp.route("")
@user_required
@bp.arguments(BookingsQuery, location="query")
@bp.response(200, BookingsAnswer)
@bp.response_link(200, "bookings_my_bookings", cursor="$response.body#/nextCursor")
def my_bookings(query: dict[str, Any]) -> Response:
    """The caller's bookings, newest first. A cursor carries its own filters."""
    return _of_user(query, current_actor().require_user_id())


@users_bp.route("/<oid:user_id>/bookings")
@user_required
@users_bp.arguments(BookingsQuery, location="query")
@users_bp.response(200, BookingsAnswer)
@users_bp.error_responses(403)
def users_bookings(query: dict[str, Any], user_id: ObjectId) -> Response:
    """A user's bookings, for the user and admins."""
    if not current_actor().may_manage(user_id):
        raise Forbidden
    return _of_user(query, user_id)


def _of_user(query: dict[str, Any], user_id: ObjectId) -> Response:
    def find(asked: listing.Asked) -> dict[str, Any]:
        return listing.of_user(current_booking_context(), user_id, asked, utc_now())

    return listed(query, BookingsQuery, find)


def listed(
    query: dict[str, Any],
    schema: type[Schema],
    find: Callable[[listing.Asked], dict[str, Any]],
) -> Response:
    """The page that is asked for, with the cursor of the next; the query is one of `schema`."""
    filters, after = cursors.parse_list_query(query, schema)
    asked = listing.Asked(
        status=filters.get("status"),
        event_id=filters.get("eventId"),
        upcoming=filters.get("upcoming"),
        page=query["page"],
        limit=query["limit"],
        after=after,
    )
    answer = find(asked)
    place = answer.pop("next")
    return json_response({**answer, "nextCursor": paging.next_cursor(place, filters)})


@bp.route("/<oid:booking_id>")
@user_required
@bp.response(200, BookedAnswer)
@bp.error_responses(404)
def show_booking(booking_id: ObjectId) -> Response:
    """A booking, for its holder and the event's organizer."""
    return answered(
        "Booking found", service.show(current_booking_context(), booking_id, current_actor())
    )


@bp.route("/reference/<reference>")
@user_required
@bp.response(200, BookedAnswer)
@bp.error_responses(404)
def show_by_reference(reference: str) -> Response:
    """The booking with this reference, in any case of letters."""
    found = service.show_by_reference(current_booking_context(), reference.upper(), current_actor())
    return answered("Booking found", found)


@bp.route("/<oid:booking_id>/cancel", methods=["PUT"])
@bp.route("/<oid:booking_id>", methods=["DELETE"], endpoint="delete_booking")
@user_required
@bp.response(200, BookedAnswer)
@bp.error_responses(404, 409)
def cancel_booking(booking_id: ObjectId) -> Response:
    """Cancel and refund; a second time changes nothing."""
    cancelled = waitlist_offers.cancel_and_offer_on(
        current_booking_context(), booking_id, current_actor(), utc_now()
    )
    return answered("Booking cancelled", service.shown(cancelled))


@bp.route("/<oid:booking_id>/confirm", methods=["POST"])
@user_required
@bp.response(200, BookedAnswer)
@bp.error_responses(404, 409)
def confirm_booking(booking_id: ObjectId) -> Response:
    """Pay for a held booking before it expires."""
    confirmed = transitions.confirm(
        current_booking_context(), booking_id, current_actor(), utc_now()
    )
    return answered("Booking confirmed", service.shown(confirmed))


def answered(message: str, booking: dict[str, Any]) -> Response:
    """One booking, as bookings' answers are shaped."""
    return json_response({"message": message, "data": {"booking": booking}})
