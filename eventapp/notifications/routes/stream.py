"""Route that streams the caller's notifications as server-sent events."""

from flask import Response, request

from eventapp.core.access.permissions import current_actor, make_actor_loader, user_required
from eventapp.core.access.rate_limits import stream_rate_limit
from eventapp.core.database import get_db
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.streams.hub import HUB
from eventapp.core.streams.responses import (
    EVENT_STREAM,
    current_caller_keys,
    stream_response,
)
from eventapp.notifications import live

bp = Blueprint(
    "live_notifications", __name__, url_prefix="/api/notifications", description="Live updates"
)


@bp.route("/stream")
@user_required
@stream_rate_limit
@bp.header_parameter("Last-Event-ID")
@bp.response(200, description="`notification`, as they come", content_type=EVENT_STREAM)
def stream_notifications() -> Response:
    """Stream the caller's new notifications live, until the session ends.

    With `Last-Event-ID` the stream goes on where an earlier one ended.

    When a server process has few free streams left, an address or a user with several open streams
    gets 429 `too_many_own_streams`. When no stream is free, the answer is 503 `too_many_streams`.
    """
    actor = current_actor()
    topic, listener = live.subscribe(
        get_db(),
        HUB.get(),
        actor.require_user_id(),
        last_event_id=request.headers.get("Last-Event-ID"),
        caller_keys=current_caller_keys(),
        load_actor=make_actor_loader(actor),
    )
    return stream_response(topic, listener)
