"""Send the answer to a request that Flask does not handle, as Flask and its hooks would send it.

The answer has the status, the headers and the body of that by Flask, and counts in the same way in
the log and the metrics. tests/http/test_early_answers.py compares both. Bodies are compressed once,
and a client that has the body already gets 304.
"""

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from flask import Flask
from werkzeug.http import parse_etags

from eventapp.config import Config
from eventapp.core.access.actor import Actor
from eventapp.core.http import headers, request_log, responses
from eventapp.core.http.compressed_bodies import COMPRESSED_BODIES, choose_algorithm
from eventapp.core.log_writer import LOG_WRITER

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

SCHEMES = ("http", "https")
STATUS_LINES = {200: "200 OK", 304: "304 NOT MODIFIED"}

Header = tuple[str, str]


class EarlyAnswer(NamedTuple):
    """The body of the answer to a request.

    Attributes:
        body: JSON.
        etag: without quotes; None for an answer that no cache may store. Such a body must be too
            small to be compressed.
        on_answered: what the route does besides. It is called once, when the answer is sent.
    """

    body: bytes
    etag: str | None = None
    on_answered: Callable[[], None] | None = None


class EarlyCall(NamedTuple):
    """A request that is answered early.

    Attributes:
        route: the rule of its route.
        actor: the caller.
        limit_headers: tell what is left of the rate limit.
        started: when it was received, in seconds of `time.perf_counter`.
    """

    environ: "WSGIEnvironment"
    start_response: "StartResponse"
    route: str
    actor: Actor
    limit_headers: list[Header]
    started: float


class _Representation(NamedTuple):
    """What of an answer is sent.

    Attributes:
        status: 304 if the client has it already.
        etag: of the body as it is compressed; None for an answer that no cache may store.
        algorithm: by which the body is compressed; None if it is not.
    """

    status: int
    etag: str | None
    algorithm: str | None


class AnswerSender:
    """Sends answers of an application, with headers that are made once."""

    def __init__(self, app: Flask, config: Config) -> None:
        """Make the headers."""
        self._log = request_log.EarlyRequestLog(config, LOG_WRITER.get(app))
        self._compressed = COMPRESSED_BODIES.get(app)
        origin = ", Origin" if headers.depends_on_origin(config) else ""
        vary = ("Vary", f"{responses.VARY_BY_CALLER}, Accept-Encoding{origin}")
        self._stored = (vary, ("Cache-Control", responses.PUBLIC))
        self._stored_for_user = (vary, ("Cache-Control", responses.PRIVATE))
        self._not_stored = (("Vary", f"Accept-Encoding{origin}"),)
        self._stored_hooks = _list_by_scheme(config, is_stored=True)
        self._not_stored_hooks = _list_by_scheme(config, is_stored=False)

    def send(self, call: EarlyCall, answer: EarlyAnswer) -> Iterable[bytes]:
        """Start the response to a call, and return its body."""
        if answer.on_answered:
            answer.on_answered()
        environ, actor = call.environ, call.actor
        shown = _represent(answer, environ)
        body = answer.body
        if shown.algorithm and answer.etag:
            body = self._compressed.compress(body, answer.etag, shown.algorithm)
        sent = self._list_headers(call, shown, len(body))
        request_id = request_log.choose_request_id(environ.get("HTTP_X_REQUEST_ID", ""))
        sent.append((request_log.ID_HEADER, request_id))
        user = str(actor.user_id) if actor.user_id else None
        method, seconds = environ["REQUEST_METHOD"], time.perf_counter() - call.started
        self._log.record(request_id, user, method, call.route, shown.status, seconds)
        call.start_response(STATUS_LINES[shown.status], sent)
        # Granian sends a list of parts at once, and asks for those of any other iterable.
        return [body] if method == "GET" and shown.status == 200 else []

    def _list_headers(self, call: EarlyCall, shown: _Representation, size: int) -> list[Header]:
        """Return the headers in the order in which Flask and its hooks add them."""
        limits, scheme = call.limit_headers, call.environ["wsgi.url_scheme"]
        content = [("Content-Type", "application/json"), ("Content-Length", str(size))]
        if shown.etag is None:
            return [*content, *limits, *self._not_stored, *self._not_stored_hooks[scheme]]
        stored = self._stored_for_user if call.actor.user_id else self._stored
        validators = (("ETag", f'"{shown.etag}"'), *stored)
        hooks = self._stored_hooks[scheme]
        if shown.status == 304:
            return [*validators, *limits, *hooks]
        if shown.algorithm is None:
            return [*content, *validators, *limits, *hooks]
        return [*content, *validators, *limits, ("Content-Encoding", shown.algorithm), *hooks]


def _list_by_scheme(config: Config, *, is_stored: bool) -> dict[str, list[Header]]:
    """Return the headers of the hooks, by the scheme of the request."""
    return {
        scheme: headers.list_fixed_headers(config, is_stored=is_stored, is_secure=scheme == "https")
        for scheme in SCHEMES
    }


def _represent(answer: EarlyAnswer, environ: "WSGIEnvironment") -> _Representation:
    """Choose how the answer is compressed, and whether the client needs the body.

    A client may have the body as it is compressed, or uncompressed. Its ETag then has another end.
    """
    if answer.etag is None:
        return _Representation(200, None, None)
    etag, accepted = answer.etag, environ.get("HTTP_ACCEPT_ENCODING", "")
    algorithm = choose_algorithm(accepted, len(answer.body))
    sent = environ.get("HTTP_IF_NONE_MATCH")
    known = parse_etags(sent) if sent else None
    if known and known.contains_weak(etag):
        return _Representation(304, etag, None)
    if algorithm is None:
        return _Representation(200, etag, None)
    etag = f"{etag}:{algorithm}"
    if known and known.contains_weak(etag):
        return _Representation(304, etag, None)
    return _Representation(200, etag, algorithm)
