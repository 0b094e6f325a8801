"""Send one delivery of a webhook, to a receiver that may be slow, broken or hostile.

The whole attempt has one deadline: lookup, connection, TLS, sending and reading share it, and each
step gets the time that is left. So a receiver that sends a byte a second costs no more than one
that is silent. Redirects are not followed, because they could lead to an address that nobody has
judged. Proxies that the environment names are not used, as no library that reads it is.
"""

import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from socket import AF_INET, AF_INET6, SOCK_STREAM, socket
from typing import Literal

import h11

from eventapp.webhooks.addresses import (
    RefusedAddress,
    RefusedUrl,
    Target,
    parse_url,
    resolve,
)
from eventapp.webhooks.lookups import HostNotFound

ATTEMPT_SECONDS = 5.0
MAX_EXCERPT_BYTES = 1024
# Of the head, of interim answers, of the body, and of what its chunks add.
MAX_ANSWER_BYTES = 32_768
RECEIVE_BYTES = 4096

# Why an attempt failed. docs/webhooks.md explains each word.
SendError = Literal[
    "invalid_url",
    "host_not_found",
    "address_refused",
    "connection_failed",
    "certificate_invalid",
    "tls_failed",
    "connection_lost",
    "invalid_answer",
    "redirect",
    "timed_out",
]
# The words for the errors of all steps. Other errors of the operating system and of TLS get theirs
# by the step that failed.
ERRORS: tuple[tuple[type[Exception], SendError], ...] = (
    (RefusedUrl, "invalid_url"),
    (HostNotFound, "host_not_found"),
    (RefusedAddress, "address_refused"),
    (TimeoutError, "timed_out"),
    (ssl.SSLCertVerificationError, "certificate_invalid"),
    (h11.RemoteProtocolError, "invalid_answer"),
)
FAILURES = (RefusedUrl, HostNotFound, RefusedAddress, h11.RemoteProtocolError, OSError)
REDIRECTS = range(300, 400)


@dataclass(frozen=True)
class Answer:
    """How one attempt ended.

    Attributes:
        status: the HTTP status of the receiver; None if the head of its answer did not arrive.
        excerpt: what was read of the body, at most 1,024 bytes.
        error: why no answer counts; None if a status arrived that is no redirect. The status
            counts also if the body breaks off or does not end in time.
        duration_ms: of the whole attempt, in milliseconds.
    """

    status: int | None
    excerpt: bytes
    error: SendError | None
    duration_ms: int


def send(url: str, body: bytes, headers: Mapping[str, str], *, allow_private: bool) -> Answer:
    """Send a delivery with POST, and return how the attempt ended within ATTEMPT_SECONDS.

    Nothing that the receiver or the network does raises an error.

    Args:
        url: one that `check_url` has accepted.
        body: JSON.
        headers: what is sent besides those that describe the connection and the body.
        allow_private: True to connect to addresses that are not public, too.
    """
    started_at = time.monotonic()
    attempt = _Attempt(started_at + ATTEMPT_SECONDS)
    error: SendError | None = None
    try:
        attempt.run(url, body, headers, allow_private=allow_private)
    except FAILURES as failure:
        error = attempt.name_error(failure)
    if attempt.status is not None:
        error = "redirect" if attempt.status in REDIRECTS else None
    duration_ms = round((time.monotonic() - started_at) * 1000)
    return Answer(attempt.status, bytes(attempt.excerpt), error, duration_ms)


class _Attempt:
    """One attempt, and what has arrived of its answer."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._http = h11.Connection(h11.CLIENT)
        self._is_connected = False
        self._received_bytes = 0
        self.status: int | None = None
        self.excerpt = bytearray()

    def run(
        self, url: str, body: bytes, headers: Mapping[str, str], *, allow_private: bool
    ) -> None:
        """Make the attempt, and raise one of FAILURES if it ends before the answer does."""
        target = parse_url(url)
        request = self._render(target, body, headers)
        address = resolve(target.host, target.port, self._deadline, allow_private=allow_private)
        with self._connect(target, address) as connection:
            self._is_connected = True
            # A receiver may answer and close before it has read everything. Its answer counts.
            with suppress(ConnectionError, ssl.SSLError):
                self._send(connection, request)
            self._receive(connection)

    def name_error(self, failure: Exception) -> SendError:
        """Return the word for an error of this attempt, which is one of FAILURES."""
        for kind, word in ERRORS:
            if isinstance(failure, kind):
                return word
        if self._is_connected:
            return "connection_lost"
        return "tls_failed" if isinstance(failure, ssl.SSLError) else "connection_failed"

    def _render(self, target: Target, body: bytes, headers: Mapping[str, str]) -> bytes:
        """Return the request as it is sent."""
        sent_headers = {
            "host": target.authority,
            "user-agent": "eventapp-webhooks",
            "accept-encoding": "identity",
            "connection": "close",
            "content-type": "application/json",
            "content-length": str(len(body)),
            **headers,
        }
        head = h11.Request(method="POST", target=target.path, headers=list(sent_headers.items()))
        events = (head, h11.Data(body), h11.EndOfMessage())
        return b"".join(self._http.send(event) or b"" for event in events)

    def _connect(self, target: Target, address: str) -> socket:
        """Return a connection to an address, with TLS for the name of the target."""
        connection = socket(AF_INET6 if ":" in address else AF_INET, SOCK_STREAM)
        try:
            connection.settimeout(self._get_seconds_left())
            connection.connect((address, target.port))
            if target.scheme == "http":
                return connection
            connection.settimeout(self._get_seconds_left())
            return make_tls_context().wrap_socket(connection, server_hostname=target.host)
        except OSError:
            connection.close()
            raise

    def _send(self, connection: socket, request: bytes) -> None:
        unsent = memoryview(request)
        while unsent:
            connection.settimeout(self._get_seconds_left())
            unsent = unsent[connection.send(unsent) :]

    def _receive(self, connection: socket) -> None:
        """Read the answer until it ends, or until enough has arrived."""
        while len(self.excerpt) < MAX_EXCERPT_BYTES:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                self._receive_bytes(connection)
            elif isinstance(event, h11.Response):
                self.status = event.status_code
            elif isinstance(event, h11.Data):
                self.excerpt += event.data[: MAX_EXCERPT_BYTES - len(self.excerpt)]
            elif not isinstance(event, h11.InformationalResponse):
                return

    def _receive_bytes(self, connection: socket) -> None:
        connection.settimeout(self._get_seconds_left())
        received = connection.recv(RECEIVE_BYTES)
        self._received_bytes += len(received)
        if self._received_bytes > MAX_ANSWER_BYTES:
            raise h11.RemoteProtocolError("the answer is too long")
        if not received and self.status is None:
            raise ConnectionResetError("closed before the head of the answer")
        self._http.receive_data(received)

    def _get_seconds_left(self) -> float:
        seconds_left = self._deadline - time.monotonic()
        if seconds_left <= 0:
            raise TimeoutError
        return seconds_left


@cache
def make_tls_context() -> ssl.SSLContext:
    """Return the settings of TLS, with the certificate authorities of the system.

    They are kept, because loading the authorities takes 20 ms.
    """
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
