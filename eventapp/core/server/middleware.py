"""WSGI middleware of a server process: a limit of concurrent requests, and whole request bodies."""

import queue
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# Most of a request is waiting for the database, so 16 at once keep two cores busy.
MAX_CONCURRENT_REQUESTS = 16
# The number of threads that open streams, and the end of the path of every stream.
STREAM_OPENERS, STREAM_PATH = 4, "/stream"
READ_BYTES, MAX_READ_BYTES = 64 * 1024, 32 * 1024 * 1024


def limit_concurrency(
    app: "WSGIApplication", max_concurrent: int = MAX_CONCURRENT_REQUESTS
) -> "WSGIApplication":
    """Return an application that handles at most `max_concurrent` requests at once.

    The other requests wait. If they ran too, all requests would only become slower.

    Streams do not count. Each stream occupies a thread, and a thread keeps the memory that its
    deepest call once needed. So a stream is opened on one of a few threads for that purpose, and
    its own thread only waits for events to send.
    """
    permits: queue.SimpleQueue[None] = queue.SimpleQueue()
    for _ in range(max_concurrent):
        permits.put(None)
    openers = ThreadPoolExecutor(STREAM_OPENERS, thread_name_prefix="opener")

    def limited(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ["PATH_INFO"].endswith(STREAM_PATH):
            response = openers.submit(app, environ, start_response).result()
            environ.clear()  # Granian keeps this dict until the stream ends.
            return response
        permits.get()
        try:
            return app(environ, start_response)
        finally:
            permits.put(None)

    return limited


def read_whole_body(app: "WSGIApplication") -> "WSGIApplication":
    """Return an application that reads the rest of each body, up to MAX_READ_BYTES.

    A client whose connection is closed while it still sends would receive a reset instead of the
    response that refuses its body.
    """

    def reading(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        response = app(environ, start_response)
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            remaining = MAX_READ_BYTES
            while remaining > 0 and (count := len(environ["wsgi.input"].read(READ_BYTES))):
                remaining -= count
        return response

    return reading
