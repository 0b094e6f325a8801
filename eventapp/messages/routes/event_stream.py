"""Server-Sent Events over HTTP: what happens to an event, as it happens."""

from flask import Response, request

from eventapp.core.access.permissions import anyone, current_actor
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
from eventapp.messages import event_listener

bp = Blueprint("streams", __name__, url_prefix="/api/events", description="Live")


@bp.route("/<whole:event_id>/stream")
@anyone
@stream_rate_limit
@bp.header_parameter("Last-Event-ID")
@bp.response(200, description="`availability`, `message` and `event`", content_type=EVENT_STREAM)
@bp.error_responses(404)
def stream_event(event_id: int) -> Response:
    """The event live; `Last-Event-ID` goes on where an earlier stream was cut, anywhere.

    Of the last places of a server process an address or a user gets but a few: 429
    `too_many_own_streams`. Where none is left: 503 `too_many_streams`.
    """
    actor = current_actor()
    topic, listener = event_listener.listen(
        get_db(),
        get_hub(),
        event_id,
        last_event_id=request.headers.get("Last-Event-ID"),
        actor=actor,
        callers=current_callers(),
        alive=session_check(actor),
    )
    return stream_response(topic, listener)
