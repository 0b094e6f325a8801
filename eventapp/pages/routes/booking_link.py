"""The page of a booking, which its link in mails opens without a login.

A GET changes nothing. The script of the page gets a token that acts for this booking alone, and
calls the API with it.
"""

from flask import Response, request

from eventapp.core.access.link_callers import make_link_token
from eventapp.core.access.permissions import anonymous
from eventapp.core.access.rate_limits import read_rate_limit
from eventapp.core.clock import utc_now
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.headers import POLICY, make_page_policy
from eventapp.core.http.responses import json_response
from eventapp.core.json import JsonObject
from eventapp.pages import booking_page
from eventapp.pages.account_schemas import TokenForm
from eventapp.pages.booking_cookie import (
    PARAMETER,
    check_booking_form,
    keep_key,
    make_booking_form_token,
    open_booking,
)
from eventapp.pages.booking_page import (
    KEY_REFUSALS,
    RECEIPT_STYLE,
    current_booking_context,
    limit_token,
)
from eventapp.pages.failures import show_failure_as_page
from eventapp.pages.page_language import current_translator
from eventapp.pages.page_session import check_origin
from eventapp.pages.payment import current_page_payment
from eventapp.pages.rendering import render_page

bp = Blueprint(
    "booking_pages", __name__, url_prefix="/b", description="Pages", ignores_unknown_parameters=True
)


@bp.after_request
def _show_failure(response: Response) -> Response:
    """Return an error as a page, but to the script of the page as JSON."""
    is_for_script = request.endpoint == f"{bp.name}.{create_token.__name__}"
    return response if is_for_script else show_failure_as_page(response)


@bp.route("/<reference>")
@anonymous
def show_booking(reference: str) -> Response:
    """Return the page of a booking, or keep the key of its link and redirect to the page."""
    if PARAMETER in request.args:
        return keep_key(reference, request.args[PARAMETER])
    context, now = current_booking_context(), utc_now()
    try:
        opened = open_booking(reference)
    except KEY_REFUSALS:
        return _show_refusal()
    page = booking_page.read_page(context, opened, now)
    payment = current_page_payment()
    return render_page(
        "booking.html",
        {"page": page, "payment": payment, "csrf_token": make_booking_form_token()},
        sources=payment.sources if page.may_be_paid else None,
    )


def _show_refusal() -> Response:
    """Return the page that says how to get a link. It does not depend on the booking."""
    return render_page("booking_refused.html", {}, status=404)


@bp.route("/<reference>/token", methods=["POST"])
@read_rate_limit
@anonymous
def create_token(reference: str) -> Response:
    """Return a token for the booking to the script of its page, as `POST /bookings/link` does."""
    check_origin()
    opened = open_booking(reference)
    expires_at = limit_token(opened, utc_now())
    return json_response(
        {
            "accessToken": make_link_token(opened.link, expires_at),
            "expiresAt": expires_at,
            "bookingId": opened.booking["_id"],
        }
    )


@bp.route("/<reference>/calendar.ics")
@anonymous
def show_calendar(reference: str) -> Response:
    """Return the calendar entry of the booking as a file."""
    try:
        opened = open_booking(reference)
    except KEY_REFUSALS:
        return _show_refusal()
    shown, file = booking_page.make_calendar(current_booking_context(), opened)
    response = Response(file, content_type="text/calendar; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{shown}.ics"'
    return response


@bp.route("/<reference>/receipt", methods=["POST"])
@anonymous
@bp.arguments(TokenForm, location="form")
def show_receipt(_form: JsonObject, reference: str) -> Response:
    """Return the receipt of the booking as a page. The first time, this issues it."""
    check_booking_form()
    try:
        opened = open_booking(reference)
    except KEY_REFUSALS:
        return _show_refusal()
    text = booking_page.render_receipt(
        current_booking_context(), opened, utc_now(), current_translator()
    )
    response = Response(text, content_type="text/html; charset=utf-8")
    response.headers[POLICY] = make_page_policy(RECEIPT_STYLE)
    return response
