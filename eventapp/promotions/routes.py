"""Routes of the promo codes of an event, for its organizer and admins."""

from flask import Response

from eventapp.core.access.permissions import current_actor, role_required
from eventapp.core.clock import utc_now
from eventapp.core.database import get_db
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.fields import Message
from eventapp.core.http.responses import json_response
from eventapp.core.roles import ORGANIZER
from eventapp.promotions import service
from eventapp.promotions import types as promotion_types
from eventapp.promotions.schemas import (
    PromoCodeAnswer,
    PromoCodeBody,
    PromoCodePatch,
    PromoCodesAnswer,
)

bp = Blueprint("promo_codes", __name__, url_prefix="/api/events", description="Promo codes")
BLUEPRINTS = (bp,)


@bp.route("/<whole:event_id>/promo-codes")
@role_required(ORGANIZER)
@bp.response(200, PromoCodesAnswer)
@bp.error_responses(404)
def list_promo_codes(event_id: int) -> Response:
    """List the promo codes of the caller's event, the oldest first."""
    codes = service.list_promo_codes(get_db(), event_id, current_actor())
    return json_response({"promoCodes": codes})


@bp.route("/<whole:event_id>/promo-codes", methods=["POST"])
@role_required(ORGANIZER)
@bp.arguments(PromoCodeBody)
@bp.response(201, PromoCodeAnswer)
@bp.response_link(
    201,
    "promo_codes_patch_promo_code",
    event_id="$request.path.event_id",
    code_id="$response.body#/codeId",
)
@bp.error_responses(404, 409)
def create_promo_code(body: promotion_types.PromoCodePatch, event_id: int) -> tuple[Response, int]:
    """Add a promo code to the caller's event."""
    code = service.create_promo_code(get_db(), event_id, current_actor(), body, utc_now())
    return json_response(dict(code)), 201


@bp.route("/<whole:event_id>/promo-codes/<whole:code_id>", methods=["PATCH"])
@role_required(ORGANIZER)
@bp.arguments(PromoCodePatch)
@bp.response(200, PromoCodeAnswer)
@bp.error_responses(404, 409)
def patch_promo_code(body: promotion_types.PromoCodePatch, event_id: int, code_id: int) -> Response:
    """Change a promo code. Once it was used it keeps its spelling."""
    code = service.patch_promo_code(get_db(), event_id, code_id, current_actor(), body, utc_now())
    return json_response(dict(code))


@bp.route("/<whole:event_id>/promo-codes/<whole:code_id>", methods=["DELETE"])
@role_required(ORGANIZER)
@bp.response(200, Message)
@bp.error_responses(404, 409)
def delete_promo_code(event_id: int, code_id: int) -> Response:
    """Delete a promo code that was never used."""
    service.delete_promo_code(get_db(), event_id, code_id, current_actor(), utc_now())
    return json_response({"message": "Promo code deleted"})
