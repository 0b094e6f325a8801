"""Routes to make, list, show, cancel and confirm bookings."""

from collections.abc import Callable

from bson import ObjectId
from flask import Response
from marshmallow import Schema

from eventapp.bookings import notifications, partial_cancellations, service, waitlist_offers
from eventapp.bookings.bodies import BookingView, CancellationInput, PurchaseInput
from eventapp.bookings.context import current_booking_context
from eventapp.bookings.payments import checkout
from eventapp.bookings.sales import service as sales
from eventapp.bookings.sales.purchases import CREATED, read_purchase
from eventapp.bookings.schemas import (
    BookedAnswer,
    BookingBody,
    BookingsAnswer,
    BookingsQuery,
    CancellationAnswer,
    CancellationBody,
)
from eventapp.core import paging
from eventapp.core.access.permissions import current_actor, user_required
from eventapp.core.access.rate_limits import limit_guesses
from eventapp.core.clock import utc_now
from eventapp.core.errors import Forbidden
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.fields import Message
from eventapp.core.http.idempotency_key import HEADER, KEY_SCHEMA, read_idempotency_key
from eventapp.core.http.openapi import LOCATION_HEADER
from eventapp.core.http.request_parser import parse_list_query
from eventapp.core.http.responses import created_response, json_response
from eventapp.core.json import JsonObject

bp = Blueprint("bookings", __name__, url_prefix="/api/bookings", description="Bookings")
users_bp = Blueprint("user_bookings", __name__, url_prefix="/api/users", description="Bookings")
REFERENCE = "$response.body#/data/booking/bookingReference"


@bp.route("", methods=["POST"])
@user_required
@bp.arguments(BookingBody)
@bp.header_parameter(HEADER, **KEY_SCHEMA)
@bp.response(201, BookedAnswer, headers=LOCATION_HEADER)
@bp.response_link(201, "bookings_show_by_reference", reference=REFERENCE)
@bp.alt_response(202, schema=BookedAnswer, success=True)
@bp.error_responses(404, 409)
def create_booking(body: PurchaseInput) -> Response:
    """Book tickets for the caller, once for each `Idempotency-Key`.

    The name and the email of the caller, and the names, emails and answers of the `attendees`, are
    shown to the organizer of the event, to members of the organizer's team by their role, to API
    tokens of these with the scope `attendees:read`, and to admins; at the door only the names. Who
    waits for tickets is shown to the same. Nobody else sees them. See also docs/privacy.md.
    """
    purchase = read_purchase(body, read_idempotency_key())
    with limit_guesses(sales.PROMO_REFUSALS if body.get("promoCode") else ()):
        answer = checkout.book_and_pay(
            current_booking_context(), current_actor(), purchase, utc_now()
        )
    answer_body = {"message": answer.message, "data": answer.data}
    if answer.status != CREATED:
        return json_response(answer_body, answer.status)
    return created_response(answer_body, f"/api/bookings/{answer.data['booking']['_id']}")


@bp.route("", endpoint="my_bookings")  # the endpoint is the operationId
@user_required
@bp.arguments(BookingsQuery, location="query")
@bp.response(200, BookingsAnswer)
@bp.response_link(200, "bookings_my_bookings", cursor="$response.body#/nextCursor")
def list_own_bookings(query: JsonObject) -> Response:
    """List the caller's bookings, newest first. A cursor contains its filters."""
    return _list_user_bookings(query, current_actor().require_user_id())


@users_bp.route("/<oid:user_id>/bookings", endpoint="users_bookings")
@user_required
@users_bp.arguments(BookingsQuery, location="query")
@users_bp.response(200, BookingsAnswer)
@users_bp.error_responses(403)
def list_bookings_of_user(query: JsonObject, user_id: ObjectId) -> Response:
    """List the bookings of a user, for the user and for admins."""
    if not current_actor().may_manage(user_id):
        raise Forbidden
    return _list_user_bookings(query, user_id)


def _list_user_bookings(query: JsonObject, user_id: ObjectId) -> Response:
    def find_page(parsed: service.BookingPageRequest) -> JsonObject:
        return service.list_user_bookings(current_booking_context(), user_id, parsed, utc_now())

    return page_response(query, BookingsQuery, find_page)


def page_response(
    query: JsonObject,
    schema: type[Schema],
    find_page: Callable[[service.BookingPageRequest], JsonObject],
) -> Response:
    """Return the answer to a request for a page of bookings, with the cursor of the next page.

    Args:
        query: the query parameters as `schema` has loaded them.
        find_page: returns the page for the parsed request.
    """
    filters, position = parse_list_query(query, schema)
    page = find_page(
        service.BookingPageRequest(
            status=filters.get("status"),
            event_id=filters.get("eventId"),
            upcoming=filters.get("upcoming"),
            page=query["page"],
            limit=query["limit"],
            cursor=position,
        )
    )
    next_position = page.pop("next")
    return json_response({**page, "nextCursor": paging.make_next_cursor(next_position, filters)})


@bp.route("/<oid:booking_id>")
@user_required
@bp.response(200, BookedAnswer)
@bp.error_responses(404)
def show_booking(booking_id: ObjectId) -> Response:
    """Show a booking to its holder and to the event's organizer."""
    booking = service.render_visible_booking(current_booking_context(), booking_id, current_actor())
    return booking_response("Booking found", booking)


@bp.route("/reference/<reference>")
@user_required
@bp.response(200, BookedAnswer)
@bp.error_responses(404)
def show_by_reference(reference: str) -> Response:
    """Show the booking with this reference, in upper or lower case."""
    booking = service.render_booking_by_reference(
        current_booking_context(), reference.upper(), current_actor()
    )
    return booking_response("Booking found", booking)


@bp.route("/<oid:booking_id>/cancel", methods=["PUT"])
@bp.route("/<oid:booking_id>", methods=["DELETE"], endpoint="delete_booking")
@user_required
@bp.response(200, BookedAnswer)
@bp.error_responses(404, 409)
def cancel_booking(booking_id: ObjectId) -> Response:
    """Cancel and refund a booking. Cancelling again changes nothing."""
    context, actor = current_booking_context(), current_actor()
    cancelled = waitlist_offers.cancel_and_offer(context, booking_id, actor, utc_now())
    return booking_response("Booking cancelled", service.render_current(context, cancelled, actor))


@bp.route("/<oid:booking_id>/resend", methods=["POST"])
@user_required
@bp.response(202, Message)
@bp.error_responses(404, 409)
def resend_tickets(booking_id: ObjectId) -> Response:
    """Send the mail with the tickets of a confirmed booking again, to its holder.

    It is for the holder of the booking and for those who manage the event. The mail is sent at most
    once in ten minutes; another request is 429 `mail_sent_lately` until then.
    """
    notifications.send_tickets_again(
        current_booking_context(), booking_id, current_actor(), utc_now()
    )
    return json_response({"message": "The tickets are sent again"}, 202)


@bp.route("/<oid:booking_id>/cancellations", methods=["POST"])
@user_required
@bp.arguments(CancellationBody)
@bp.header_parameter(HEADER, **KEY_SCHEMA)
@bp.response(201, CancellationAnswer)
@bp.error_responses(404, 409)
def cancel_tickets(body: CancellationInput, booking_id: ObjectId) -> Response:
    """Cancel and refund tickets of a confirmed booking, once for each `Idempotency-Key`.

    Of `items`, the tickets with the highest numbers are cancelled that are not checked in. If no
    ticket is left, the booking is cancelled. The other tickets keep their ids and codes.
    """
    context, actor = current_booking_context(), current_actor()
    request_ = partial_cancellations.read_request(body, read_idempotency_key(), actor)
    cancelled = partial_cancellations.cancel_tickets(
        context, booking_id, request_, actor, utc_now()
    )
    count = f"{cancelled.quantity} ticket{'' if cancelled.quantity == 1 else 's'}"
    booking = service.render_current(context, cancelled.booking, actor)
    data = {"booking": booking, "refund": cancelled.refund}
    return json_response({"message": f"{count} cancelled", "data": data}, 201)


@bp.route("/<oid:booking_id>/confirm", methods=["POST"])
@user_required
@bp.response(200, BookedAnswer)
@bp.error_responses(404, 409)
def confirm_booking(booking_id: ObjectId) -> Response:
    """Pay for a held booking before it expires.

    If the buyer pays at the provider, the answer has the `clientSecret` of the first attempt or of
    the one that can still be paid, and the booking is held until the money came.
    """
    return _pay(booking_id, checkout.PaymentRequest())


@bp.route("/<oid:booking_id>/payments", methods=["POST"])
@user_required
@bp.header_parameter(HEADER, **KEY_SCHEMA)
@bp.response(201, BookedAnswer)
@bp.alt_response(200, schema=BookedAnswer, success=True)
@bp.error_responses(404, 409)
def begin_payment(booking_id: ObjectId) -> Response:
    """Begin the next attempt to pay for a hold, once for each `Idempotency-Key`.

    At most one attempt is live. A booking that is confirmed already is answered with 200.
    """
    digest = checkout.digest_key(current_actor(), read_idempotency_key())
    request_ = checkout.PaymentRequest(is_next=True, digest=digest)
    return _pay(booking_id, request_, held_status=CREATED)


def _pay(
    booking_id: ObjectId, request_: checkout.PaymentRequest, held_status: int = 200
) -> Response:
    context = current_booking_context()
    paid = checkout.pay(context, booking_id, current_actor(), request_, utc_now())
    return checkout_response(paid, held_status)


def checkout_response(paid: checkout.Checkout, held_status: int = 200) -> Response:
    """Return the answer to a step of a payment.

    Args:
        held_status: the status code if the booking is still held.
    """
    context, actor = current_booking_context(), current_actor()
    secret = paid.client_secret if actor.user_id == paid.booking["userId"] else None
    booking = service.render_current(context, paid.booking, actor, secret)
    if booking["status"] == "held":
        data = {"message": "Payment begun", "data": {"booking": booking}}
        return json_response(data, held_status)
    return booking_response("Booking confirmed", booking)


def booking_response(message: str, booking: BookingView) -> Response:
    """Return an answer with one booking."""
    return json_response({"message": message, "data": {"booking": booking}})
