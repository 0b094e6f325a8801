"""Streams over HTTP: the answer that goes on, and what ends it from outside."""

from collections.abc import Callable
from typing import cast

from flask import Response, current_app

from eventapp.core.access.actor import Actor
from eventapp.core.access.permissions import AUTHENTICATION, current_actor
from eventapp.core.access.rate_limits import client_address_key
from eventapp.core.clock import utc_now
from eventapp.core.database import get_db
from eventapp.core.streams.hub import Hub, Listener, Topic, stream

EVENT_STREAM = "text/event-stream"
# X-Accel-Buffering: a proxy that gathers an answer before it passes it on would pass on none.
HEADERS = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}


def streams() -> Hub:
    """The application's streams."""
    return cast(Hub, current_app.extensions["streams"])


def callers() -> tuple[str, ...]:
    """Whose stream it is that this request begins: its address's, and its user's."""
    user_id = current_actor().user_id
    return (client_address_key(), f"user:{user_id}") if user_id else (client_address_key(),)


def event_stream(topic: Topic, listener: Listener) -> Response:
    """The answer that sends the listener all there is and will be; it leaves at the end."""
    hub, whose = streams(), callers()
    answer = Response(stream(topic, listener), headers=HEADERS)
    answer.headers["Content-Type"] = f"{EVENT_STREAM}; charset=utf-8"
    answer.call_on_close(lambda: hub.leave(topic, whose))
    return answer


def session_check(actor: Actor) -> Callable[[], bool]:
    """Tells, at any later time and outside any request, whether the caller is signed in still.

    A caller without a session has none that could end.
    """
    load, db, session_id = AUTHENTICATION.get().load_session, get_db(), actor.session_id

    def lives() -> bool:
        return session_id is None or load(db, session_id, utc_now()) is not None

    return lives
