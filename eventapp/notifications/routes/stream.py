"""Stream the caller's notifications as server-sent events."""

from flask import Response, request

from eventapp.core.access.permissions import current_actor, user_required
from eventapp.core.access.rate_limits import stream_rate_limit
from eventapp.core.database import get_db
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.streams.responses import (
    EVENT_STREAM,
    current_callers,
    get_hub,
    session_check,
    stream_response,
)
from eventapp.notifications import live

bp = Blueprint("live_notifications", __name__, url_prefix="/api/notifications", description="Live")


@bp.route("/stream")
@user_required
@stream_rate_limit
@bp.header_parameter("Last-Event-ID")
@bp.response(200, description="`notification`, as they come", content_type=EVENT_STREAM)
def stream_notifications() -> Response:
    """The caller's notifications live, while their session lasts; `Last-Event-ID` goes on.

    Of the last places of a server process an address or a user gets but a few: 429
    `too_many_own_streams`. Where none is left: 503 `too_many_streams`.
    """
    actor = current_actor()
    topic, listener = live.subscribe(
        get_db(),
        get_hub(),
        actor.require_user_id(),
        last_event_id=request.headers.get("Last-Event-ID"),
        callers=current_callers(),
        alive=session_check(actor),
    )
    return stream_response(topic, listener)
