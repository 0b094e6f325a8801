"""Routes to list, read, change, export and delete accounts, for the user and for admins."""

from bson import ObjectId
from flask import Response

from eventapp.accounts import editing, service
from eventapp.accounts.routes.email_change_input import split_changes
from eventapp.accounts.schemas import (
    DeleteUserQuery,
    ExportAnswer,
    UserAnswer,
    UserBody,
    UsersAnswer,
    UsersQuery,
)
from eventapp.accounts.service import PERSONAL_DATA_HANDLERS
from eventapp.core import paging
from eventapp.core.access.permissions import (
    current_actor,
    forget_actor,
    open_in_demo,
    role_required,
    self_or_admin,
)
from eventapp.core.clock import utc_now
from eventapp.core.database import get_database_time, get_db
from eventapp.core.errors import Forbidden
from eventapp.core.http.app_context import get_image_base_url
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.fields import Message
from eventapp.core.http.request_parser import parse_list_query
from eventapp.core.http.responses import json_response
from eventapp.core.json import JsonObject
from eventapp.core.roles import ADMIN

bp = Blueprint("users", __name__, url_prefix="/api/users", description="Accounts")


@bp.route("")
@open_in_demo
@role_required(ADMIN)
@bp.arguments(UsersQuery, location="query")
@bp.response(200, UsersAnswer)
@bp.response_link(200, "users_list_users", cursor="$response.body#/nextCursor")
def list_users(query: JsonObject) -> Response:
    """Return a page of accounts, newest first. A cursor contains its `search` and `role`."""
    filters, list_position = parse_list_query(query, UsersQuery)
    body, next_older_than = service.list_users(
        get_db(),
        search=filters.get("search", ""),
        role=filters.get("role"),
        older_than=(
            paging.parse_cursor_object_id(list_position.get("before")) if list_position else None
        ),
        page=query["page"],
        limit=query["limit"],
        image_base_url=get_image_base_url(),
    )
    next_position = {"before": next_older_than} if next_older_than else None
    return json_response({**body, "nextCursor": paging.make_next_cursor(next_position, filters)})


@bp.route("/<oid:user_id>")
@open_in_demo
@self_or_admin
@bp.response(200, UserAnswer)
@bp.error_responses(404)
def show_user(user_id: ObjectId) -> Response:
    """Return an account."""
    return json_response(
        service.render_user(service.get_user(get_db(), user_id), get_image_base_url())
    )


@bp.route("/<oid:user_id>", methods=["PUT"])
@open_in_demo
@self_or_admin
@bp.arguments(UserBody)
@bp.response(200, UserAnswer)
@bp.error_responses(404, 409, 503)
def change_user(body: JsonObject, user_id: ObjectId) -> Response:
    """Change the fields of an account that are sent. Only an admin may change `role`.

    Another `email` is pending as in `PUT /auth/profile`, also if an admin sends it. It needs the
    `currentPassword` of the caller.
    """
    if "role" in body and not _is_admin_with_account():
        raise Forbidden("Only an admin may change a role")
    _refuse_admins_account(user_id)
    changes, email_change = split_changes(body)
    user = editing.update_user(
        get_db(), user_id, changes, now=get_database_time(), email_change=email_change
    )
    return json_response(service.render_user(user, get_image_base_url()))


@bp.route("/<oid:user_id>", methods=["DELETE"])
@open_in_demo
@self_or_admin
@bp.arguments(DeleteUserQuery, location="query")
@bp.response(200, Message)
@bp.error_responses(404, 409)
def delete_user(query: JsonObject, user_id: ObjectId) -> Response:
    """Delete an account and the user's personal data. Bookings stay, without the user's id.

    An organizer with drafts, or with published events that are not over, is not deleted, unless an
    admin names the organizer or admin who takes over all events of the account.
    """
    transfer_to = query.get("transferTo")
    if transfer_to is not None and not _is_admin_with_account():
        raise Forbidden("Only an admin may transfer events")
    _refuse_admins_account(user_id)
    handlers = PERSONAL_DATA_HANDLERS.get()
    service.delete_user(
        get_db(),
        user_id,
        forget_functions=handlers.forget_functions,
        now=utc_now(),
        events=handlers.events,
        transfer_to=transfer_to,
    )
    if user_id == current_actor().user_id:
        forget_actor()
    return json_response({"message": "User deleted successfully"})


@bp.route("/<oid:user_id>/export")
@self_or_admin
@bp.response(200, ExportAnswer)
@bp.error_responses(404)
def export_user(user_id: ObjectId) -> Response:
    """Return everything that is stored about the user."""
    export_functions = PERSONAL_DATA_HANDLERS.get().export_functions
    exported = service.export_user(get_db(), user_id, export_functions=export_functions)
    return json_response(exported)


def _is_admin_with_account() -> bool:
    """Return False also for a caller without a token whom DEMO_OPEN admits."""
    return current_actor().is_admin and current_actor().user_id is not None


def _refuse_admins_account(user_id: ObjectId) -> None:
    """Refuse a caller without an account to change an admin's, and so to get the role.

    Raises:
        Forbidden: DEMO_OPEN admitted the caller, and the account is that of an admin.
        UserNotFound: DEMO_OPEN admitted the caller, and there is no such account.
    """
    if current_actor().user_id is None and service.get_user(get_db(), user_id)["role"] == ADMIN:
        raise Forbidden("Only an admin may change an admin's account")
