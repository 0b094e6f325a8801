"""The requests of a server process, from their first line to the end of their answer.

A request is *received* until its body is complete, and *in work* from then on. A server that knows
the requests and the address of each also knows how many connections of an address have no request
in work. `connection_watch` limits these, and the time that receiving may take.
"""

import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

# The key of the OpenRequest in a WSGI environment of Granian.
REQUEST_KEY = "eventapp.request"
TIMEOUT_HEADERS = [("content-type", "application/json"), ("connection", "close")]
TIMEOUT_BODY = b'{"message":"The body did not arrive in time","code":"body_timeout"}'
# Granian adds the other headers. The watch recognizes a connection by the size of this answer.
TIMEOUT_ANSWER_BYTES = len(
    "HTTP/1.1 408 Request Timeout\r\n"
    "content-type: application/json\r\n"
    "connection: close\r\n"
    "server: granian\r\n"
    f"content-length: {len(TIMEOUT_BODY)}\r\n"
    "date: Sun, 29 Nov 2026 05:40:25 GMT\r\n"
    "\r\n"
) + len(TIMEOUT_BODY)


class ResponseProtocol(Protocol):
    """The part of Granian's object for one request that is used here. It takes one answer."""

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Send an answer, or do nothing if one has been sent."""


class OpenRequest:
    """A request that is being received or in work.

    Attributes:
        address: the address at the other end of the connection, which may be a proxy.
        receiving_since: when the server began to read the body; None before and afterwards.
        active_at: when the body was complete, or the last part of a stream was sent.
        is_cancelled: whether the request was answered because its body did not arrive.

    Times are seconds of `time.monotonic`.
    """

    __slots__ = ("_lock", "_protocol", "active_at", "address", "is_cancelled", "receiving_since")

    def __init__(self, address: str, protocol: ResponseProtocol | None = None) -> None:
        self.address, self._protocol = address, protocol
        self.active_at = time.monotonic()
        self.receiving_since: float | None = None
        self.is_cancelled = False
        self._lock: threading.Lock | None = None

    def begin_receiving(self) -> None:
        """Note that the server begins to read the body."""
        self._lock = threading.Lock()
        self.receiving_since = time.monotonic()

    def end_receiving(self) -> bool:
        """Note that the body is complete, and return False if the request was cancelled before."""
        assert self._lock
        with self._lock:
            self.active_at = time.monotonic()
            self.receiving_since = None
            return not self.is_cancelled

    def cancel(self) -> bool:
        """Answer 408 if the body is not complete yet, and return whether it was so."""
        if self._protocol is None or self._lock is None:
            return False
        with self._lock:
            if self.receiving_since is None or self.is_cancelled:
                return False
            self.is_cancelled = True
        self._protocol.response_bytes(408, TIMEOUT_HEADERS, TIMEOUT_BODY)
        return True


class OpenRequests:
    """The open requests of a server process, by the thread that handles each."""

    def __init__(self) -> None:
        self._by_thread: dict[int, OpenRequest] = {}

    def __len__(self) -> int:
        return len(self._by_thread)

    def list(self) -> "list[OpenRequest]":
        """Return the requests that are open now."""
        return list(self._by_thread.values())

    def track(self, handle: Callable[[Any, dict[str, Any]], int]) -> Callable[..., int]:
        """Return Granian's function that handles a request, so that the request is listed here.

        Args:
            handle: takes Granian's object for the request and the WSGI environment. It returns
                when the whole answer, or the last part of a stream, has been sent.
        """
        by_thread, get_thread = self._by_thread, threading.get_ident

        def track(protocol: Any, environ: dict[str, Any]) -> int:
            request = OpenRequest(environ["REMOTE_ADDR"], protocol)
            environ[REQUEST_KEY] = by_thread[get_thread()] = request
            try:
                return handle(protocol, environ)
            finally:
                del by_thread[get_thread()]

        return track
