"""An event's chat over HTTP."""

from typing import Any

from bson import ObjectId
from flask import Response

from eventapp.core import paging
from eventapp.core.access.permissions import anyone, current_actor, user_required
from eventapp.core.clock import utc_now
from eventapp.core.database import get_db
from eventapp.core.http.app_context import current_config
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.fields import Message
from eventapp.core.http.responses import json_response
from eventapp.core.streams.responses import get_hub
from eventapp.messages import event_listener, service
from eventapp.messages.schemas import MessageAnswer, MessageBody, MessagesAnswer, MessagesQuery

bp = Blueprint("messages", __name__, url_prefix="/api/events", description="An event's chat")


@bp.route("/<whole:event_id>/messages")
@anyone
@bp.arguments(MessagesQuery, location="query")
@bp.response(200, MessagesAnswer)
@bp.response_link(
    200,
    "messages_list_messages",
    event_id="$request.path.event_id",
    cursor="$response.body#/nextCursor",
)
@bp.error_responses(404)
def list_messages(query: dict[str, Any], event_id: int) -> Response:
    """The chat, newest first; with `after`, what came after it, oldest first."""
    db, asked, actor = get_db(), _asked(query), current_actor()
    if asked.after is None:
        answer = service.page(db, event_id, asked, actor=actor)
    else:
        answer = service.catch_up(db, event_id, asked, actor=actor, now=utc_now())
    place = answer.pop("next")
    cursor = paging.encode_cursor(place) if place else None
    return json_response({"limit": asked.limit, **answer, "nextCursor": cursor})


def _asked(query: dict[str, Any]) -> service.Asked:
    """The place that is asked for; a cursor has one of its own."""
    limit = query["limit"]
    if not (cursor := query.get("cursor")):
        return service.Asked(page=query["page"], limit=limit, after=query.get("after"))
    place = paging.decode_cursor(cursor)
    if "after" in place:
        return service.Asked(limit=limit, after=paging.cursor_int(place["after"]))
    return service.Asked(
        page=paging.cursor_int(place.get("page")),
        limit=limit,
        before=paging.cursor_int(place.get("before")),
        counted=paging.cursor_int(place.get("counted"), paging.COUNT_LIMIT + 1),
    )


@bp.route("/<whole:event_id>/messages", methods=["POST"])
@user_required
@bp.arguments(MessageBody)
@bp.response(201, MessageAnswer)
@bp.response_link(
    201,
    "messages_delete_message",
    event_id="$request.path.event_id",
    message_id="$response.body#/data/message/_id",
)
@bp.error_responses(404)
def write_message(body: dict[str, Any], event_id: int) -> Response:
    """Say something in the chat, a few times a minute at most."""
    message = service.write(
        get_db(),
        event_id,
        body["text"],
        actor=current_actor(),
        now=utc_now(),
        limited=current_config().rate_limit_enabled,
    )
    get_hub().wake(event_listener.KIND, event_id)
    return json_response({"message": "Message sent", "data": {"message": message}}, 201)


@bp.route("/<whole:event_id>/messages/<oid:message_id>", methods=["DELETE"])
@user_required
@bp.response(200, Message)
@bp.error_responses(403, 404)
def delete_message(event_id: int, message_id: ObjectId) -> Response:
    """Take a message out: its author, the event's organizer or an admin."""
    service.delete(get_db(), event_id, message_id, actor=current_actor(), now=utc_now())
    get_hub().wake(event_listener.KIND, event_id)
    return json_response({"message": "Message deleted"})
