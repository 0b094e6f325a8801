"""Streams over HTTP: the response, the callers for whom it counts, and the session check."""

from collections.abc import Callable

from flask import Response

from eventapp.core.access.actor import Actor
from eventapp.core.access.permissions import AUTHENTICATION, current_actor
from eventapp.core.access.rate_limits import get_client_address_key
from eventapp.core.clock import utc_now
from eventapp.core.database import get_db
from eventapp.core.http.responses import NOT_STORED
from eventapp.core.streams.hub import HUB, Listener, Topic, stream_events

EVENT_STREAM = "text/event-stream"
# `no-transform` and X-Accel-Buffering tell proxies to forward each message at once, as it is.
HEADERS = {"Cache-Control": f"no-cache, {NOT_STORED}, no-transform", "X-Accel-Buffering": "no"}


def current_caller_keys() -> tuple[str, ...]:
    """Return the keys of the address and of the user for which a stream of this request counts."""
    user_id, address_key = current_actor().user_id, get_client_address_key()
    return (address_key, f"user:{user_id}") if user_id else (address_key,)


def stream_response(topic: Topic, listener: Listener) -> Response:
    """Return the response that streams a topic to a subscribed listener, and then unsubscribes."""
    hub, caller_keys = HUB.get(), current_caller_keys()
    response = Response(stream_events(topic, listener), headers=HEADERS)
    response.headers["Content-Type"] = f"{EVENT_STREAM}; charset=utf-8"
    response.call_on_close(lambda: hub.unsubscribe(topic, caller_keys))
    return response


def make_session_check(actor: Actor) -> Callable[[], bool]:
    """Return a function that checks whether the caller's session still exists.

    The function needs no request context. For a caller without a session it returns True.
    """
    load_session, db = AUTHENTICATION.get().load_session, get_db()
    session_id = actor.session_id

    def has_session() -> bool:
        return session_id is None or load_session(db, session_id, utc_now()) is not None

    return has_session
