"""The route of the receipt of a booking."""

from typing import Any

from bson import ObjectId
from flask import Response, request

from eventapp.core.access.permissions import current_actor, user_required
from eventapp.core.clock import utc_now
from eventapp.core.http.accept_language import choose_language
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.headers import POLICY, make_page_policy
from eventapp.core.translations import get_translator
from eventapp.receipts import pages, service
from eventapp.receipts.schemas import ReceiptQuery
from eventapp.receipts.service import RECEIPT_ISSUER, current_booking_context
from eventapp.receipts.types import PrintedReceipt

bp = Blueprint("receipts", __name__, url_prefix="/api", description="Bookings")
BLUEPRINTS = (bp,)

HTML, PDF = "text/html", "application/pdf"
MEDIA_TYPES = {"html": HTML, "pdf": PDF}
PAGE_POLICY = make_page_policy(pages.STYLE)
ANY_TEXT = {"schema": {"type": "string"}}
ANY_FILE = {"schema": {"type": "string", "format": "binary"}}


@bp.route("/bookings/<oid:booking_id>/receipt")
@user_required
@bp.arguments(ReceiptQuery, location="query")
@bp.doc(responses={200: {"content": {HTML: ANY_TEXT, PDF: ANY_FILE}}})
@bp.response(200)
@bp.error_responses(404, 409)
def show_receipt(query: dict[str, Any], booking_id: ObjectId) -> Response:
    """Return the receipt of a paid booking, as a page to print or as PDF.

    It is for the holder of the booking and the organizer of the event. `format` chooses between the
    two, and without it the header `Accept`; the page is the default. `Accept-Language` chooses
    between English and Greek. The first request issues the receipt under the next number of the
    organizer and the year. What it says never changes, except that refunds are added to it. A
    booking that was never paid has none: 409 `no_receipt`.
    """
    translator = get_translator(choose_language())
    receipt = service.print_receipt(
        current_booking_context(),
        RECEIPT_ISSUER.get(),
        booking_id,
        current_actor(),
        utc_now(),
        translator,
    )
    response = _make_response(receipt, _choose_media_type(query.get("format")))
    response.headers["Content-Language"] = translator.language
    response.vary.update(("Accept", "Accept-Language"))
    return response


def _choose_media_type(format_: str | None) -> str:
    """Return the media type that a request asks for, HTML if it accepts neither."""
    if format_ is not None:
        return MEDIA_TYPES[format_]
    return request.accept_mimetypes.best_match((HTML, PDF), default=HTML)


def _make_response(receipt: PrintedReceipt, media_type: str) -> Response:
    if media_type == HTML:
        response = Response(pages.render_page(receipt), content_type=f"{HTML}; charset=utf-8")
        response.headers[POLICY] = PAGE_POLICY
        return response
    # ReportLab takes 8 MB, which a process needs from its first receipt as PDF on.
    from eventapp.receipts.pdf import render_pdf

    response = Response(render_pdf(receipt), content_type=PDF)
    name = f"receipt-{receipt.number}.pdf"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
