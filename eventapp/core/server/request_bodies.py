"""Read the body of each request before the request is handled.

A client may send its body slowly, or stop in the middle of it. The thread that reads the body then
waits, so the request must not hold anything that others need. A body is therefore read whole and
kept in memory. The memory of all bodies is limited, for each address and in total.

`connection_watch` limits the time. Nothing else can: a read of Granian ends only when data arrives
or the connection is closed.
"""

import threading
from collections import Counter
from collections.abc import Iterable
from io import BytesIO
from typing import TYPE_CHECKING

from werkzeug.http import parse_options_header

from eventapp.core import json
from eventapp.core.access.rate_limits import find_client_network
from eventapp.core.http.request_parser import MAX_BODY_BYTES
from eventapp.core.http.uploads import MAX_FILE_BYTES, MAX_OVERHEAD_BYTES
from eventapp.core.server.open_requests import REQUEST_KEY, OpenRequest

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

MAX_FORM_BYTES = MAX_FILE_BYTES + MAX_OVERHEAD_BYTES
# How much is read of a body that is too large, so that its client can read the answer. A client
# whose connection is closed while it still sends would receive a reset instead.
MAX_READ_BYTES, READ_BYTES = 32 * 1024 * 1024, 64 * 1024
# The bodies of one address leave room for those of others. Ten photos of the greatest size arrive
# from one address at once.
MAX_BYTES_IN_MEMORY, MAX_BYTES_PER_ADDRESS = 128 * 1024 * 1024, 52 * 1024 * 1024
BUSY = {"message": "Too many bodies at once; try again shortly", "code": "too_many_bodies"}


class BodyMemory:
    """Counts the bytes of the bodies in memory, in total and for each client's network."""

    def __init__(
        self, maximum: int = MAX_BYTES_IN_MEMORY, per_address: int = MAX_BYTES_PER_ADDRESS
    ) -> None:
        self._maximum, self._per_address = maximum, per_address
        self._total, self._by_network = 0, Counter[str]()
        self._lock = threading.Lock()

    def take(self, network: str, count: int) -> bool:
        """Count more bytes of a network, and return whether there is room for them."""
        with self._lock:
            self._total += count
            self._by_network[network] += count
            return self._total <= self._maximum and self._by_network[network] <= self._per_address

    def free(self, network: str, count: int) -> None:
        """Count bytes less, which were given to `take` before."""
        with self._lock:
            self._total -= count
            self._by_network[network] -= count
            if not self._by_network[network]:
                del self._by_network[network]


class _Body:
    """A body that is being read.

    Attributes:
        data: the body, or a little more of it than the application accepts; empty at first.
        has_room: whether the memory for bodies was sufficient.
    """

    def __init__(self, environ: "WSGIEnvironment", memory: BodyMemory) -> None:
        self._read, self._memory = environ["wsgi.input"].read, memory
        self._network = find_client_network(environ.get("REMOTE_ADDR", ""))
        self._length = _parse_length(environ)
        self._limit = _find_limit(environ)
        self.data, self.has_room = b"", True
        self._size = 0

    def receive(self) -> None:
        """Read the body up to its end, or up to MAX_READ_BYTES."""
        # Granian waits until it has as many bytes as it is asked for, or the body ends.
        remaining = MAX_READ_BYTES if self._length is None else min(self._length, MAX_READ_BYTES)
        # The application refuses a body that is too large by its length, and reads nothing of it.
        is_kept = self._length is None or self._length <= self._limit
        parts: list[bytes] = []
        while remaining and (part := self._read(min(remaining, READ_BYTES))):
            remaining -= len(part)
            if is_kept and self._size <= self._limit and self.has_room:
                self._size += len(part)
                self.has_room = self._memory.take(self._network, len(part))
                parts.append(part)
        self.data = b"".join(parts)

    def free(self) -> None:
        """Count the body as removed from memory."""
        self._memory.free(self._network, self._size)


def read_bodies(app: "WSGIApplication", memory: BodyMemory | None = None) -> "WSGIApplication":
    """Return an application that reads the body of each request before `app` is called."""
    memory = memory or BodyMemory()

    def reading(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ.get("CONTENT_LENGTH", "0") in ("0", "") and (
            "HTTP_TRANSFER_ENCODING" not in environ
        ):
            return app(environ, start_response)
        request = environ.get(REQUEST_KEY) or OpenRequest(environ.get("REMOTE_ADDR", ""))
        body = _Body(environ, memory)
        request.begin_receiving()
        try:
            body.receive()
            if not request.end_receiving():  # The client has an answer, and its connection ends.
                start_response("408 Request Timeout", [])
                return []
            if not body.has_room:
                return _refuse_as_busy(start_response)
            environ["wsgi.input"] = BytesIO(body.data)
            return app(environ, start_response)
        finally:
            body.free()

    return reading


def _parse_length(environ: "WSGIEnvironment") -> int | None:
    """Return the length of the body, or None if the client has not declared it."""
    length = environ.get("CONTENT_LENGTH", "")
    return int(length) if length.isdecimal() else None


def _find_limit(environ: "WSGIEnvironment") -> int:
    """Return the size of the largest body that any route accepts in this content type."""
    content_type, _ = parse_options_header(environ.get("CONTENT_TYPE"))
    return MAX_FORM_BYTES if content_type == "multipart/form-data" else MAX_BODY_BYTES


def _refuse_as_busy(start_response: "StartResponse") -> Iterable[bytes]:
    body = json.dumps(BUSY)
    headers = [("Content-Type", "application/json"), ("Retry-After", "1")]
    start_response("503 Service Unavailable", [*headers, ("Content-Length", str(len(body)))])
    return [body]
