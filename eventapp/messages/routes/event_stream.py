"""Route that streams the changes and the messages of an event as server-sent events."""

from flask import Response, request

from eventapp.core.access.permissions import anyone, current_actor, make_actor_loader
from eventapp.core.access.rate_limits import stream_rate_limit
from eventapp.core.database import get_database_time, get_db
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.streams.hub import HUB
from eventapp.core.streams.responses import (
    EVENT_STREAM,
    current_caller_keys,
    stream_response,
)
from eventapp.messages.event_stream import subscribe

bp = Blueprint("streams", __name__, url_prefix="/api/events", description="Live updates")


@bp.route("/<whole:event_id>/stream")
@anyone
@stream_rate_limit
@bp.header_parameter("Last-Event-ID")
@bp.response(200, description="`availability`, `message` and `event`", content_type=EVENT_STREAM)
@bp.error_responses(404)
def stream_event(event_id: int) -> Response:
    """Stream an event live. With `Last-Event-ID` the stream goes on where an earlier one ended.

    When a server process has few free streams left, an address or a user with several open streams
    gets 429 `too_many_own_streams`. When no stream is free, the answer is 503 `too_many_streams`.
    """
    actor = current_actor()
    topic, listener = subscribe(
        get_db(),
        HUB.get(),
        event_id,
        last_event_id=request.headers.get("Last-Event-ID"),
        actor=actor,
        caller_keys=current_caller_keys(),
        load_actor=make_actor_loader(actor),
        now=get_database_time(),
    )
    return stream_response(topic, listener)
