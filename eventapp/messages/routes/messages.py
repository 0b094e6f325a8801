"""Routes to list, write and delete the messages of an event's chat."""

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
from eventapp.core.json import JsonObject
from eventapp.core.streams.hub import HUB
from eventapp.messages import event_stream, service
from eventapp.messages.schemas import MessageAnswer, MessageBody, MessagesAnswer, MessagesQuery

bp = Blueprint("messages", __name__, url_prefix="/api/events", description="Chat")


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
def list_messages(query: JsonObject, event_id: int) -> Response:
    """Return the messages of a chat, newest first; with `after`, later ones, oldest first."""
    db, chat_query, actor = get_db(), _parse_query(query), current_actor()
    if chat_query.after is None:
        body, next_position = service.list_messages(db, event_id, chat_query, actor=actor)
    else:
        body, next_position = service.list_messages_after(
            db, event_id, chat_query, actor=actor, now=utc_now()
        )
    cursor = paging.encode_cursor(next_position) if next_position else None
    return json_response({"limit": chat_query.limit, **body, "nextCursor": cursor})


def _parse_query(query: JsonObject) -> service.ChatQuery:
    """Return which messages are wanted. A cursor overrides `page` and `after`."""
    limit = query["limit"]
    if not (cursor := query.get("cursor")):
        return service.ChatQuery(page=query["page"], limit=limit, after=query.get("after"))
    list_position = paging.decode_cursor(cursor)
    if "after" in list_position:
        return service.ChatQuery(limit=limit, after=paging.parse_cursor_int(list_position["after"]))
    return service.ChatQuery(
        page=paging.parse_cursor_int(list_position.get("page")),
        limit=limit,
        before=paging.parse_cursor_int(list_position.get("before")),
        counted=paging.parse_cursor_int(list_position.get("counted"), paging.COUNT_LIMIT + 1),
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
def write_message(body: JsonObject, event_id: int) -> Response:
    """Add a message to the chat. A user may write at most 10 messages in 30 seconds."""
    message = service.write_message(
        get_db(),
        event_id,
        body["text"],
        actor=current_actor(),
        now=utc_now(),
        limit_bursts=current_config().rate_limit_enabled,
    )
    HUB.get().wake(event_stream.TOPIC_KIND, event_id)
    return json_response({"message": "Message sent", "data": {"message": message}}, 201)


@bp.route("/<whole:event_id>/messages/<oid:message_id>", methods=["DELETE"])
@user_required
@bp.response(200, Message)
@bp.error_responses(403, 404)
def delete_message(event_id: int, message_id: ObjectId) -> Response:
    """Delete a message. Its author, the event's organizer and admins may do that."""
    service.delete_message(get_db(), event_id, message_id, actor=current_actor(), now=utc_now())
    HUB.get().wake(event_stream.TOPIC_KIND, event_id)
    return json_response({"message": "Message deleted"})
