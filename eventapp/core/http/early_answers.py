"""Answer requests before Flask handles them, if their answer is in memory.

Flask and its hooks take several times as long as such an answer. A feature gives a function that
returns the answer to a request, or None: then Flask answers, and so it does all errors. The
function must not wait for the database, and must not do what Flask would then do again:
`EarlyAnswer.on_answered` is for what the route does besides.

A request without a token is answered at once. One with the access token of an attendee waits until
the session was read, so it takes a permit, and a limit for the database, as those by Flask do.

The answer has the status, the headers and the body of that by Flask, and counts in the same way in
the log, the metrics and the rate limit. tests/http/test_early_answers.py compares both. Bodies are
compressed once, and a client that has the body already gets 304.
"""

import re
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from flask import Flask
from werkzeug.http import parse_etags

from eventapp.config import Config
from eventapp.core.access import early_callers, rate_limits
from eventapp.core.access.actor import Actor
from eventapp.core.app_key import AppKey
from eventapp.core.http import database_doubt, headers, request_log, responses
from eventapp.core.http.compressed_bodies import CompressedBodies, choose_algorithm
from eventapp.core.log_writer import LOG_WRITER
from eventapp.core.lru_cache import CacheBudget

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# A request with one of these headers is by a device or has a body, or asks for another answer.
DECISIVE_HEADERS = frozenset(
    (
        *("HTTP_X_DEVICE_ID", "CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING"),
        *("HTTP_IF_MATCH", "HTTP_IF_RANGE", "HTTP_RANGE"),
        *("HTTP_IF_MODIFIED_SINCE", "HTTP_IF_UNMODIFIED_SINCE"),
        "HTTP_ACCESS_CONTROL_REQUEST_PRIVATE_NETWORK",
    )
)
# A host that neither Flask nor Werkzeug changes or refuses.
_is_plain_host = re.compile(
    r"(?:[a-z0-9-]{1,63}\.){0,8}[a-z0-9-]{1,63}(?::[0-9]{1,5})?", re.ASCII
).fullmatch

STATUS_LINES = {200: "200 OK", 304: "304 NOT MODIFIED"}

Header = tuple[str, str]


class EarlyAnswer(NamedTuple):
    """The body of the answer to a request.

    Attributes:
        route: the rule of its route.
        body: JSON.
        etag: without quotes; None for an answer that no cache may store. Such a body must be too
            small to be compressed.
        is_limited: whether the request counts towards the rate limit.
        on_answered: called once, unless the request exceeds the rate limit.
    """

    route: str
    body: bytes
    etag: str | None = None
    is_limited: bool = True
    on_answered: Callable[[], None] | None = None


# Finds the answer for the guest, or for a user who is neither an organizer nor in a team.
AnswerFinder = Callable[[Flask, "WSGIEnvironment", Actor], EarlyAnswer | None]
_GUEST = Actor()


def init_app(app: Flask, config: Config, finders: Iterable[AnswerFinder]) -> None:
    """Answer by the first finder that has an answer, and else by Flask.

    Call this before `headers.init_app`, so that the finders see the addresses that Flask sees.
    """
    early = EarlyAnswers(app, config, tuple(finders))
    EARLY_ANSWERS.set(app, early)
    app.wsgi_app = early.answer_user  # type: ignore[method-assign]
    database_doubt.init_app(app)
    early.handle = app.wsgi_app
    app.wsgi_app = early.answer_guest  # type: ignore[method-assign]


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


class EarlyAnswers:
    """Makes the answers of finders, with headers that are made once.

    Attributes:
        handle: answers what `answer_guest` does not, by `answer_user` and Flask.
    """

    def __init__(self, app: Flask, config: Config, finders: tuple[AnswerFinder, ...]) -> None:
        self._handle_by_flask: WSGIApplication = app.wsgi_app
        self.handle: WSGIApplication = app.wsgi_app
        self._app, self._finders = app, finders
        self._log = request_log.EarlyRequestLog(config, LOG_WRITER.get(app))
        self._compressed = CompressedBodies(app, CacheBudget(config.cache_mb))
        self._has_limits = config.rate_limit_enabled
        self._depends_on_origin = headers.depends_on_origin(config)
        origin = ", Origin" if self._depends_on_origin else ""
        vary = ("Vary", f"{responses.VARY_BY_CALLER}, Accept-Encoding{origin}")
        self._stored = (vary, ("Cache-Control", responses.PUBLIC))
        self._stored_for_user = (vary, ("Cache-Control", responses.PRIVATE))
        self._not_stored = (("Vary", f"Accept-Encoding{origin}"),)
        self._stored_hooks = _list_by_scheme(config, is_stored=True)
        self._not_stored_hooks = _list_by_scheme(config, is_stored=False)

    def answer_guest(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer a request if it has no token, and else let `handle` do it, as a WSGI application.

        It asks no database.
        """
        started = time.perf_counter()
        if "HTTP_AUTHORIZATION" not in environ and self._may_be_early(environ):
            found = self._find(environ, _GUEST)
            limits = self._count(environ, found, _GUEST) if found else None
            if found and limits is not None:
                return self._send(environ, start_response, found, _GUEST, limits, started)
        return self.handle(environ, start_response)

    def answer_user(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer a request if it is by an attendee, and else let Flask do it.

        It is a WSGI application that reads the session of the user from the database.
        """
        started = time.perf_counter()
        has_token = "HTTP_AUTHORIZATION" in environ and self._may_be_early(environ)
        actor = early_callers.find_claimed_user(self._app, environ) if has_token else None
        found = self._find(environ, actor) if actor else None
        if actor and found:
            limits = self._count(environ, found, actor)
            if limits is not None and early_callers.confirm_user(self._app, environ, actor):
                return self._send(environ, start_response, found, actor, limits, started)
        return self._handle_by_flask(environ, start_response)

    def _count(
        self, environ: "WSGIEnvironment", found: EarlyAnswer, actor: Actor
    ) -> list[Header] | None:
        """Count a request towards the rate limit, and return its headers that tell of the limit.

        Returns:
            None if the request exceeds the limit, so that Flask must refuse it.
        """
        if not (self._has_limits and found.is_limited):
            return []
        stats = rate_limits.count_early_read(self._app, environ, actor.user_id)
        return None if stats.remaining < 0 else rate_limits.list_headers(stats)

    def _send(
        self,
        environ: "WSGIEnvironment",
        start_response: "StartResponse",
        found: EarlyAnswer,
        actor: Actor,
        limit_headers: list[Header],
        started: float,
    ) -> Iterable[bytes]:
        """Start the response, and return its body.

        Args:
            started: when the request was received, in seconds of `time.perf_counter`.
        """
        if found.on_answered:
            found.on_answered()
        shown = _represent(found, environ)
        body = found.body
        if shown.algorithm and found.etag:
            body = self._compressed.compress(body, found.etag, shown.algorithm)
        stored = self._stored_for_user if actor.user_id else self._stored
        scheme = environ["wsgi.url_scheme"]
        sent = self._list_headers(shown, stored, len(body), limit_headers, scheme)
        request_id = request_log.choose_request_id(environ.get("HTTP_X_REQUEST_ID", ""))
        sent.append((request_log.ID_HEADER, request_id))
        user = str(actor.user_id) if actor.user_id else None
        method, seconds = environ["REQUEST_METHOD"], time.perf_counter() - started
        self._log.record(request_id, user, method, found.route, shown.status, seconds)
        start_response(STATUS_LINES[shown.status], sent)
        # Granian sends a list of parts at once, and asks for those of any other iterable.
        return [body] if method == "GET" and shown.status == 200 else []

    def _may_be_early(self, environ: "WSGIEnvironment") -> bool:
        return (
            environ["REQUEST_METHOD"] in ("GET", "HEAD")
            and DECISIVE_HEADERS.isdisjoint(environ)
            and not environ.get("SCRIPT_NAME")
            and environ["wsgi.url_scheme"] in self._stored_hooks
            and _is_plain_host(environ.get("HTTP_HOST", "")) is not None
            and not (self._depends_on_origin and "HTTP_ORIGIN" in environ)
        )

    def _find(self, environ: "WSGIEnvironment", actor: Actor) -> EarlyAnswer | None:
        for find in self._finders:
            found = find(self._app, environ, actor)
            if found is not None:
                return found
        return None

    def _list_headers(
        self,
        shown: _Representation,
        stored: tuple[Header, Header],
        size: int,
        limits: list[Header],
        scheme: str,
    ) -> list[Header]:
        """Return the headers in the order in which Flask and its hooks add them.

        Args:
            stored: those of an answer that may be stored.
        """
        content = [("Content-Type", "application/json"), ("Content-Length", str(size))]
        if shown.etag is None:
            return [*content, *limits, *self._not_stored, *self._not_stored_hooks[scheme]]
        validators = (("ETag", f'"{shown.etag}"'), *stored)
        hooks = self._stored_hooks[scheme]
        if shown.status == 304:
            return [*validators, *limits, *hooks]
        if shown.algorithm is None:
            return [*content, *validators, *limits, *hooks]
        return [*content, *validators, *limits, ("Content-Encoding", shown.algorithm), *hooks]


EARLY_ANSWERS: AppKey[EarlyAnswers] = AppKey("early_answers")


def _list_by_scheme(config: Config, *, is_stored: bool) -> dict[str, list[Header]]:
    """Return the headers of the hooks, by the scheme of the request."""
    return {
        scheme: headers.list_fixed_headers(config, is_stored=is_stored, is_secure=scheme == "https")
        for scheme in ("http", "https")
    }


def _represent(found: EarlyAnswer, environ: "WSGIEnvironment") -> _Representation:
    """Choose how the answer is compressed, and whether the client needs the body.

    A client may have the body as it is compressed, or uncompressed. Its ETag then has another end.
    """
    if found.etag is None:
        return _Representation(200, None, None)
    etag, accepted = found.etag, environ.get("HTTP_ACCEPT_ENCODING", "")
    algorithm = choose_algorithm(accepted, len(found.body))
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
