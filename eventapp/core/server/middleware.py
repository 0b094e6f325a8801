"""WSGI middleware of a server process: a limit of concurrent requests, and threads for streams."""

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotFinished
from typing import TYPE_CHECKING

from flask import Flask
from werkzeug.exceptions import HTTPException

from eventapp.core import json
from eventapp.core.access.rate_limits import is_stream_view
from eventapp.core.permits import Permits
from eventapp.core.server.open_requests import REQUEST_KEY, OpenRequest
from eventapp.core.streams.connection_limits import TooManyStreams

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# Most of a request is waiting for the database, so 16 at once keep two cores busy. Requests that
# wait for the result of a batch do not count.
MAX_CONCURRENT_REQUESTS = 16
# The number of threads that open streams, and how long a request waits until one begins to open its
# stream. While the database does not answer, each of these threads waits for it.
STREAM_OPENERS, MAX_OPENER_WAIT_SECONDS = 4, 5.0
# The end of the path of every stream.
STREAM_PATH = "/stream"

StreamTest = Callable[["WSGIEnvironment"], bool]


def limit_concurrency(
    app: "WSGIApplication",
    is_stream: StreamTest,
    max_concurrent: int = MAX_CONCURRENT_REQUESTS,
    max_opener_wait: float = MAX_OPENER_WAIT_SECONDS,
) -> "WSGIApplication":
    """Return an application that handles at most `max_concurrent` requests at once.

    The other requests wait, in their order of arrival. If they ran too, all requests would only
    become slower. The body of a request must have been read before, because its client may never
    send the rest of it. Requests that wait for the result of a batch do not count: if they did, no
    batch could have more of them than there are permits.

    Streams do not count. Each stream occupies a thread, and a thread keeps the memory that its
    deepest call once needed. So a stream is opened on one of a few threads for that purpose, and
    its own thread only waits for events to send.

    Args:
        is_stream: returns whether a request opens a stream.
        max_opener_wait: how many seconds a stream waits for one of these threads.
    """
    permits = Permits(max_concurrent)
    openers = ThreadPoolExecutor(STREAM_OPENERS, thread_name_prefix="opener")

    def limited(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if is_stream(environ):
            opening = openers.submit(app, environ, start_response)
            if not _has_begun(opening, max_opener_wait):
                return _refuse_stream(start_response)
            response, request = opening.result(), environ.get(REQUEST_KEY)
            environ.clear()  # Granian keeps this dict until the stream ends.
            return _note_activity(response, request) if request else response
        with permits.hold():
            return app(environ, start_response)

    return limited


def make_stream_test(app: Flask) -> StreamTest:
    """Return a function that tells whether a request opens a stream, and not only looks like it."""
    routes = app.url_map.bind("")

    def is_stream(environ: "WSGIEnvironment") -> bool:
        path = environ["PATH_INFO"]
        if environ["REQUEST_METHOD"] != "GET" or not path.endswith(STREAM_PATH):
            return False
        try:
            endpoint, _ = routes.match(path, "GET")
        except HTTPException:
            return False
        return is_stream_view(app.view_functions[endpoint])

    return is_stream


def _has_begun(opening: "Future[Iterable[bytes]]", seconds: float) -> bool:
    """Wait until a stream has been opened, and return False if none of the threads had time."""
    try:
        opening.exception(seconds)
    except NotFinished:
        # The work of a thread that has begun is limited by the time-outs of the database.
        return not opening.cancel()
    return True


def _refuse_stream(start_response: "StartResponse") -> Iterable[bytes]:
    """Answer like the error handler of the application, which has not been called."""
    error = TooManyStreams()
    body = json.dumps({"message": error.message, "code": error.code})
    headers = {**error.headers, "Content-Type": "application/json", "Content-Length": len(body)}
    pairs = [(name, str(value)) for name, value in headers.items()]
    start_response("503 Service Unavailable", pairs)
    return [body]


def _note_activity(response: Iterable[bytes], request: OpenRequest) -> Iterator[bytes]:
    """Yield the parts of a stream, and note when each of them is sent."""
    try:
        for part in response:
            request.active_at = time.monotonic()
            yield part
    finally:
        if hasattr(response, "close"):
            response.close()
