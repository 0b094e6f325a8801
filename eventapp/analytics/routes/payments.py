"""Routes of payments: the list for admins, the retry of one, and tables of the money that moved."""

from collections.abc import Iterator

from bson import ObjectId
from flask import Response

from eventapp.analytics import money_tables, payments, service
from eventapp.analytics.routes.figures import respond_page
from eventapp.analytics.schemas_payments import PaymentRow, PaymentsAnswer, PaymentsQuery
from eventapp.core.access.permissions import current_actor, make_actor_loader, role_required
from eventapp.core.clock import utc_now
from eventapp.core.database import get_db
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.request_parser import parse_list_query
from eventapp.core.http.responses import json_response
from eventapp.core.json import JsonObject
from eventapp.core.paging import PageRequest
from eventapp.core.roles import ADMIN, ORGANIZER

bp = Blueprint("admin_payments", __name__, url_prefix="/api/admin", description="Administration")
own_bp = Blueprint("own_payments", __name__, url_prefix="/api/analytics", description="Analytics")
events_bp = Blueprint("event_payments", __name__, url_prefix="/api/events", description="Analytics")


@bp.route("/payments")
@role_required(ADMIN)
@bp.arguments(PaymentsQuery, location="query")
@bp.response(200, PaymentsAnswer)
@bp.response_link(200, "admin_payments_list_payments", cursor="$response.body#/nextCursor")
def list_payments(query: JsonObject) -> Response:
    """Return a page of the payments of bookings, those of the newest bookings first.

    With `state=failed` it lists the refused refunds, and the attempts that were refused last.
    `failure` of a row has the error and when it is tried next. A cursor contains the filters.
    """
    filters, list_position = parse_list_query(query, PaymentsQuery)
    page = payments.list_payments(
        get_db(),
        payments.PaymentFilters(
            state=filters.get("state"),
            provider=filters.get("provider"),
            event_id=filters.get("eventId"),
            since=filters.get("since"),
            until=filters.get("until"),
        ),
        PageRequest(query["page"], query["limit"], list_position),
    )
    return respond_page(page, filters)


@bp.route("/payments/<oid:payment_id>/retry", methods=["POST"])
@role_required(ADMIN)
@bp.response(200, PaymentRow)
@bp.error_responses(404)
def retry_payment(payment_id: ObjectId) -> Response:
    """Try what fails about a payment now: its refunds, or the question what became of it.

    The answer is 200 also if the provider refuses again: `failure` says why.
    """
    return json_response(payments.retry_payment(payment_id, utc_now()))


@bp.route("/payments.csv")
@role_required(ADMIN)
@bp.response(200, content_type="text/csv")
def payments_csv() -> Response:
    """Return all money that moved, oldest first, as CSV in UTF-8 with a byte order mark."""
    loader = make_actor_loader(current_actor())
    return _respond_csv(money_tables.stream_money(get_db(), None, loader), "payments.csv")


@own_bp.route("/payments.csv")
@role_required(ORGANIZER)
@own_bp.response(200, content_type="text/csv")
def own_payments_csv() -> Response:
    """Return the money of all own events, of all events for an admin, as `/admin/payments.csv`."""
    actor = current_actor()
    scope = service.find_organizer_scope(actor)
    chunks = money_tables.stream_money(get_db(), scope, make_actor_loader(actor))
    return _respond_csv(chunks, "payments.csv")


@events_bp.route("/<whole:event_id>/payments.csv")
@role_required(ORGANIZER)
@events_bp.response(200, content_type="text/csv")
@events_bp.error_responses(404)
def event_payments_csv(event_id: int) -> Response:
    """Return the money of an event, as `/admin/payments.csv`."""
    actor = current_actor()
    chunks = money_tables.stream_event_money(get_db(), event_id, actor, make_actor_loader(actor))
    return _respond_csv(chunks, f"payments-{event_id}.csv")


def _respond_csv(chunks: Iterator[bytes], name: str) -> Response:
    response = Response(chunks, content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
