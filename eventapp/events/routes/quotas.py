"""Routes of the quotas of an event, for its organizer and admins."""

from flask import Response

from eventapp.core.access.permissions import current_actor, role_required
from eventapp.core.database import get_database_time, get_db
from eventapp.core.http.app_context import current_config
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.fields import Message
from eventapp.core.http.responses import json_response
from eventapp.core.roles import ORGANIZER
from eventapp.events import bodies, quota_management
from eventapp.events.cache.event_cache import EVENT_CACHE
from eventapp.events.quota_management import QuotaEditor
from eventapp.events.schemas.quotas import QuotaAnswer, QuotaBody, QuotaPatch, QuotasAnswer

bp = Blueprint("quotas", __name__, url_prefix="/api/events", description="Quotas")


@bp.route("/<whole:event_id>/quotas")
@role_required(ORGANIZER)
@bp.response(200, QuotasAnswer)
@bp.error_responses(404)
def list_quotas(event_id: int) -> Response:
    """List the quotas of the caller's event, the oldest first."""
    quotas = quota_management.list_quotas(get_db(), event_id, current_actor())
    return json_response({"quotas": quotas})


@bp.route("/<whole:event_id>/quotas", methods=["POST"])
@role_required(ORGANIZER)
@bp.arguments(QuotaBody)
@bp.response(201, QuotaAnswer)
@bp.response_link(
    201,
    "quotas_patch_quota",
    event_id="$request.path.event_id",
    quota_id="$response.body#/quotaId",
)
@bp.error_responses(404, 409)
def create_quota(body: bodies.QuotaInput, event_id: int) -> tuple[Response, int]:
    """Add a quota to the caller's event.

    A ticket takes a place of its type and one of every quota that matches its type and its date. A
    quota counts what is sold and held already.
    """
    return json_response(dict(_get_editor().create(event_id, body))), 201


@bp.route("/<whole:event_id>/quotas/<whole:quota_id>", methods=["PATCH"])
@role_required(ORGANIZER)
@bp.arguments(QuotaPatch)
@bp.response(200, QuotaAnswer)
@bp.error_responses(404, 409)
def patch_quota(body: bodies.QuotaPatch, event_id: int, quota_id: int) -> Response:
    """Change a quota. A capacity below what is sold and held is refused with the `least`."""
    return json_response(dict(_get_editor().patch(event_id, quota_id, body)))


@bp.route("/<whole:event_id>/quotas/<whole:quota_id>", methods=["DELETE"])
@role_required(ORGANIZER)
@bp.response(200, Message)
@bp.error_responses(404, 409)
def delete_quota(event_id: int, quota_id: int) -> Response:
    """Delete a quota. Its tickets stay sold."""
    _get_editor().delete(event_id, quota_id)
    return json_response({"message": "Quota deleted"})


def _get_editor() -> QuotaEditor:
    return QuotaEditor(
        get_db(),
        current_actor(),
        event_changes=EVENT_CACHE.get(),
        now=get_database_time(),
        default_zone=current_config().default_zone,
    )
