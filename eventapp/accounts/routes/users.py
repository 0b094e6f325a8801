"""Accounts by id, for the person and for admins, over HTTP."""

from typing import Any

from bson import ObjectId
from flask import Response

from eventapp.accounts import listing, service
from eventapp.accounts.schemas import ExportAnswer, UserAnswer, UserBody, UsersAnswer, UsersQuery
from eventapp.accounts.service import PERSONAL_DATA
from eventapp.core import paging
from eventapp.core.access.actor import ADMIN
from eventapp.core.access.permissions import current_actor, role_required, self_or_admin
from eventapp.core.clock import utc_now
from eventapp.core.database import get_db
from eventapp.core.errors import Forbidden
from eventapp.core.http import cursors
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.fields import Message
from eventapp.core.http.responses import json_response

bp = Blueprint("users", __name__, url_prefix="/api/users", description="Accounts")


@bp.route("")
@role_required(ADMIN)
@bp.arguments(UsersQuery, location="query")
@bp.response(200, UsersAnswer)
@bp.response_link(200, "users_list_users", cursor="$response.body#/nextCursor")
def list_users(query: dict[str, Any]) -> Response:
    """All accounts, newest first. A cursor carries its own `search` and `role`."""
    filters, place = cursors.parse_list_query(query, UsersQuery)
    answer = listing.list_users(
        get_db(),
        search=filters.get("search", ""),
        role=filters.get("role"),
        before=paging.cursor_object_id(place.get("before")) if place else None,
        page=query["page"],
        limit=query["limit"],
    )
    before = answer.pop("next")
    following = {"before": before} if before else None
    return json_response({**answer, "nextCursor": paging.next_cursor(following, filters)})


@bp.route("/<oid:user_id>")
@self_or_admin
@bp.response(200, UserAnswer)
@bp.error_responses(404)
def show_user(user_id: ObjectId) -> Response:
    """One account."""
    return json_response(service.present(service.get(get_db(), user_id)))


@bp.route("/<oid:user_id>", methods=["PUT"])
@self_or_admin
@bp.arguments(UserBody)
@bp.response(200, UserAnswer)
@bp.error_responses(404, 409)
def change_user(body: dict[str, Any], user_id: ObjectId) -> Response:
    """Change what is sent of an account; `role` only as an admin."""
    if "role" in body and not current_actor().is_admin:
        raise Forbidden("Only an admin may change a role")
    return json_response(service.present(service.update(get_db(), user_id, body, now=utc_now())))


@bp.route("/<oid:user_id>", methods=["DELETE"])
@self_or_admin
@bp.response(200, Message)
@bp.error_responses(404, 409)
def delete_user(user_id: ObjectId) -> Response:
    """Delete an account and all that is the person's; bookings stay, without the person."""
    forget = PERSONAL_DATA.get().forget
    service.delete(get_db(), user_id, forget=forget, now=utc_now())
    return json_response({"message": "User deleted successfully"})


@bp.route("/<oid:user_id>/export")
@self_or_admin
@bp.response(200, ExportAnswer)
@bp.error_responses(404)
def export_user(user_id: ObjectId) -> Response:
    """All that is stored about the person."""
    others = PERSONAL_DATA.get().export
    return json_response(service.export(get_db(), user_id, others=others))
