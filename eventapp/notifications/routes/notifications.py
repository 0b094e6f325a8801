"""Routes to list the caller's notifications and to mark them as read."""

from bson import ObjectId
from flask import Response

from eventapp.core import paging
from eventapp.core.access.permissions import current_actor, user_required
from eventapp.core.clock import utc_now
from eventapp.core.database import get_db
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.request_parser import parse_list_query
from eventapp.core.http.responses import json_response
from eventapp.core.json import JsonObject
from eventapp.notifications import service
from eventapp.notifications.schemas import (
    AllReadAnswer,
    NotificationsAnswer,
    NotificationsQuery,
    ReadAnswer,
)

bp = Blueprint(
    "notifications", __name__, url_prefix="/api/notifications", description="Notifications"
)


@bp.route("")
@user_required
@bp.arguments(NotificationsQuery, location="query")
@bp.response(200, NotificationsAnswer)
@bp.response_link(200, "notifications_my_notifications", cursor="$response.body#/nextCursor")
def my_notifications(query: JsonObject) -> Response:
    """Return a page of the caller's notifications, newest first.

    With `unread=true`, only unread notifications are listed. A cursor contains the value of its
    `unread`.
    """
    filters, list_position = parse_list_query(query, NotificationsQuery)
    request = service.PageRequest(
        unread=filters.get("unread", False),
        page=query["page"],
        limit=query["limit"],
        list_position=list_position,
    )
    body, next_position = service.list_notifications(
        get_db(), current_actor().require_user_id(), request
    )
    return json_response({**body, "nextCursor": paging.make_next_cursor(next_position, filters)})


@bp.route("/<oid:notification_id>/read", methods=["POST"])
@user_required
@bp.response(200, ReadAnswer)
@bp.error_responses(404)
def read_one(notification_id: ObjectId) -> Response:
    """Mark a notification as read. Repeating the request changes nothing."""
    user_id = current_actor().require_user_id()
    notification = service.mark_read(get_db(), user_id, notification_id, utc_now())
    return json_response({"message": "Notification read", "notification": notification})


@bp.route("/read", methods=["POST"])
@user_required
@bp.response(200, AllReadAnswer)
def read_all() -> Response:
    """Mark all of the caller's notifications as read."""
    marked = service.mark_all_read(get_db(), current_actor().require_user_id(), utc_now())
    return json_response({"message": "All notifications read", "marked": marked})
