"""The route by which clients keep a copy of all public events."""

from flask import Response

from eventapp.core.access.permissions import anonymous
from eventapp.core.database import get_db, read_server_time
from eventapp.core.http.app_context import get_image_base_url
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.responses import json_response
from eventapp.core.json import JsonObject
from eventapp.events import public_changes
from eventapp.events.schemas.changes import ChangesAnswer, ChangesQuery

bp = Blueprint("changes", __name__, url_prefix="/api/events", description="Events")


@bp.route("/changes")
@anonymous
@bp.arguments(ChangesQuery, location="query")
@bp.response(200, ChangesAnswer)
@bp.response_link(200, "changes_list_changes", cursor="$response.body#/nextCursor")
@bp.error_responses(410)
def list_changes(query: JsonObject) -> Response:
    """Follow what changes of all public events, sales included.

    Without a cursor, the answers walk all public events. Then each cursor gives what changed since
    the last answer: events as they are now, and the ids of those that are deleted or not public any
    more. An event may come again. A client stores `events` by `eventId`, removes `deletedEventIds`,
    and goes on with `nextCursor`: at once while there `hasMore`, else whenever it wants to be up to
    date. A cursor is good for 30 days. After 410 `cursor_expired` the client discards its copy and
    begins again.

    `availableTickets` and `soldOut` are as at the last change of the event. Whether a sale has
    begun or an event is over follows from the times of the event.
    """
    db = get_db()
    changes = public_changes.list_changes(
        db,
        query.get("cursor"),
        limit=query["limit"],
        now=read_server_time(db),
        image_base_url=get_image_base_url(),
    )
    return json_response(changes)
