"""Route that says what tickets of an event would cost."""

from flask import Response

from eventapp.bookings.bodies import QuoteInput
from eventapp.bookings.context import current_booking_context
from eventapp.bookings.quote_schemas import QuoteAnswer, QuoteBody
from eventapp.bookings.sales import quotes
from eventapp.bookings.sales.service import PROMO_REFUSALS
from eventapp.core.access.permissions import anyone, current_actor
from eventapp.core.access.rate_limits import limit_guesses, read_rate_limit
from eventapp.core.clock import utc_now
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.responses import json_response

bp = Blueprint("event_quotes", __name__, url_prefix="/api/events", description="Bookings")


@bp.route("/<whole:event_id>/quote", methods=["POST"])
@anyone
@read_rate_limit
@bp.arguments(QuoteBody)
@bp.response(200, QuoteAnswer)
@bp.error_responses(404, 409)
def make_quote(body: QuoteInput, event_id: int) -> Response:
    """Compute what tickets would cost now, without taking or reserving any.

    With a promo code that unlocks secret ticket types, the answer has these types, too.
    """
    with limit_guesses(PROMO_REFUSALS if body.get("promoCode") else ()):
        quote = quotes.quote(current_booking_context(), current_actor(), event_id, body, utc_now())
    return json_response(dict(quote))
