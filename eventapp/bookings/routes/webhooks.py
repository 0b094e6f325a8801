"""The route to which payment providers send their webhook events."""

from flask import Response, request

from eventapp.bookings.context import current_booking_context
from eventapp.bookings.payments import events
from eventapp.bookings.payments.events import MAX_EVENT_BYTES, EventRefused
from eventapp.bookings.schemas import ReceivedAnswer
from eventapp.core.access.permissions import anonymous
from eventapp.core.access.rate_limits import count_refusals, no_rate_limit
from eventapp.core.clock import utc_now
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.responses import json_response

bp = Blueprint(
    "payment_webhooks", __name__, url_prefix="/api/payments/webhooks", description="Payments"
)


@bp.route("/<provider>", methods=["POST"])
@anonymous
@no_rate_limit
@bp.raw_body(MAX_EVENT_BYTES)
@bp.header_parameter("Stripe-Signature", maxLength=2000)
@bp.response(200, ReceivedAnswer)
@bp.error_responses(404)
def receive_event(body: bytes, provider: str) -> Response:
    """Receive an event of a payment provider. The provider repeats it until this answers 200.

    It is believed only if the provider has signed it within the last five minutes.
    """
    with count_refusals((EventRefused,)):
        events.receive_event(
            current_booking_context(), provider, body, dict(request.headers), utc_now()
        )
    return json_response({"received": True})
