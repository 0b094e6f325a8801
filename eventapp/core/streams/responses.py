"""Streams over HTTP: the response, and the callers for whom it counts."""

from flask import Response, request

from eventapp.core.access.permissions import current_actor
from eventapp.core.access.proxies import PROXY_ADDRESSES
from eventapp.core.access.rate_limits import get_client_address_key
from eventapp.core.http.responses import NOT_STORED
from eventapp.core.streams.hub import HUB, Listener, Topic, stream_events

EVENT_STREAM = "text/event-stream"
# `no-transform` and X-Accel-Buffering tell proxies to forward each message at once, as it is.
HEADERS = {"Cache-Control": f"no-cache, {NOT_STORED}, no-transform", "X-Accel-Buffering": "no"}


def current_caller_keys() -> tuple[str, ...]:
    """Return the keys of the address and of the user for which a stream of this request counts.

    A stream does not count for the address of a proxy, which all its clients share.
    """
    user_id = current_actor().user_id
    user_keys = (f"user:{user_id}",) if user_id else ()
    if PROXY_ADDRESSES.get().contains(request.remote_addr or ""):
        return user_keys
    return (get_client_address_key(), *user_keys)


def stream_response(topic: Topic, listener: Listener) -> Response:
    """Return the response that streams a topic to a subscribed listener, and then unsubscribes."""
    hub, caller_keys = HUB.get(), current_caller_keys()
    response = Response(stream_events(topic, listener), headers=HEADERS)
    response.headers["Content-Type"] = f"{EVENT_STREAM}; charset=utf-8"
    response.call_on_close(lambda: hub.unsubscribe(topic, caller_keys))
    return response
