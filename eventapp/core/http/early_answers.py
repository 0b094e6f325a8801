"""Answer requests before Flask handles them, if they name no caller and their answer is in memory.

Flask and its hooks take several times as long as such an answer. A feature gives a function that
returns the answer to a request, or None: then Flask answers, and so it does all errors. The
function must not wait for the database, and must not do what Flask would then do again:
`EarlyAnswer.on_answered` is for what the route does besides.

The answer has the status, the headers and the body of that by Flask, and counts in the same way in
the log, the metrics and the rate limit. tests/http/test_early_answers.py compares both. Conditional
requests and answers that are to be compressed are left to Flask, too.
"""

import re
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from flask import Flask

from eventapp.config import Config
from eventapp.core.access import rate_limits
from eventapp.core.http import headers, request_log, responses
from eventapp.core.log_writer import LOG_WRITER

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# A request with one of these headers has a caller or a body, asks for another answer, or for none
# if it is unchanged.
DECISIVE_HEADERS = frozenset(
    (
        *("HTTP_AUTHORIZATION", "HTTP_X_DEVICE_ID", "CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING"),
        *("HTTP_IF_NONE_MATCH", "HTTP_IF_MATCH", "HTTP_IF_RANGE", "HTTP_RANGE"),
        *("HTTP_IF_MODIFIED_SINCE", "HTTP_IF_UNMODIFIED_SINCE"),
        "HTTP_ACCESS_CONTROL_REQUEST_PRIVATE_NETWORK",
    )
)
# A host that neither Flask nor Werkzeug changes or refuses.
_is_plain_host = re.compile(
    r"(?:[a-z0-9-]{1,63}\.){0,8}[a-z0-9-]{1,63}(?::[0-9]{1,5})?", re.ASCII
).fullmatch

Header = tuple[str, str]


class EarlyAnswer(NamedTuple):
    """The answer 200 to a request.

    Attributes:
        route: the rule of its route.
        body: JSON.
        etag: without quotes; None for an answer that no cache may store.
        is_limited: whether the request counts towards the rate limit.
        on_answered: called once, unless the request exceeds the rate limit.
    """

    route: str
    body: bytes
    etag: str | None = None
    is_limited: bool = True
    on_answered: Callable[[], None] | None = None


AnswerFinder = Callable[[Flask, "WSGIEnvironment"], EarlyAnswer | None]


def init_app(app: Flask, config: Config, finders: Iterable[AnswerFinder]) -> None:
    """Answer by the first finder that has an answer, and else by Flask.

    Call this before `headers.init_app`, so that the finders see the addresses that Flask sees.
    """
    early = _EarlyAnswers(app, config, tuple(finders))
    app.wsgi_app = early.wrap(app.wsgi_app)  # type: ignore[assignment, method-assign]


class _EarlyAnswers:
    """Makes the answers of finders, with headers that are made once."""

    def __init__(self, app: Flask, config: Config, finders: tuple[AnswerFinder, ...]) -> None:
        self._app, self._finders = app, finders
        self._log = request_log.EarlyRequestLog(config, LOG_WRITER.get(app))
        self._has_limits = config.rate_limit_enabled
        self._depends_on_origin = headers.depends_on_origin(config)
        self._stored = self._make_headers(config, is_stored=True)
        self._not_stored = self._make_headers(config, is_stored=False)
        origin = ", Origin" if self._depends_on_origin else ""
        self._stored_vary = f"{responses.VARY_BY_CALLER}, Accept-Encoding{origin}"
        self._not_stored_vary = f"Accept-Encoding{origin}"

    @staticmethod
    def _make_headers(config: Config, *, is_stored: bool) -> dict[str, list[Header]]:
        """Return the headers of the hooks, by the scheme of the request."""
        return {
            scheme: headers.list_fixed_headers(
                config, is_stored=is_stored, is_secure=scheme == "https"
            )
            for scheme in ("http", "https")
        }

    def wrap(self, handle: "WSGIApplication") -> "WSGIApplication":
        """Return an application that calls `handle` for a request without an early answer."""

        def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
            started = time.perf_counter()
            found = self._find(environ) if self._may_be_early(environ) else None
            if found is None:
                return handle(environ, start_response)
            limit_headers: list[Header] = []
            if self._has_limits and found.is_limited:
                stats = rate_limits.count_anonymous_read(self._app, environ)
                if stats.remaining < 0:
                    return handle(environ, start_response)
                limit_headers = rate_limits.list_headers(stats)
            if found.on_answered:
                found.on_answered()
            request_id = request_log.choose_request_id(environ.get("HTTP_X_REQUEST_ID", ""))
            sent = self._list_headers(found, limit_headers, environ["wsgi.url_scheme"])
            sent.append((request_log.ID_HEADER, request_id))
            self._log.record(request_id, found.route, time.perf_counter() - started)
            start_response("200 OK", sent)
            return (found.body,)

        return answer

    def _may_be_early(self, environ: "WSGIEnvironment") -> bool:
        return (
            environ["REQUEST_METHOD"] == "GET"
            and DECISIVE_HEADERS.isdisjoint(environ)
            and not environ.get("SCRIPT_NAME")
            and environ["wsgi.url_scheme"] in self._stored
            and _is_plain_host(environ.get("HTTP_HOST", "")) is not None
            and not (self._depends_on_origin and "HTTP_ORIGIN" in environ)
        )

    def _find(self, environ: "WSGIEnvironment") -> EarlyAnswer | None:
        for find in self._finders:
            found = find(self._app, environ)
            if found is not None:
                is_small = len(found.body) < headers.COMPRESSED_BYTES
                is_plain = environ.get("HTTP_ACCEPT_ENCODING", "identity") == "identity"
                return found if is_small or is_plain else None
        return None

    def _list_headers(self, found: EarlyAnswer, limits: list[Header], scheme: str) -> list[Header]:
        start = [("Content-Type", "application/json"), ("Content-Length", str(len(found.body)))]
        if found.etag is None:
            return [*start, *limits, ("Vary", self._not_stored_vary), *self._not_stored[scheme]]
        return [
            *start,
            ("ETag", f'"{found.etag}"'),
            ("Vary", self._stored_vary),
            ("Cache-Control", responses.PUBLIC),
            *limits,
            *self._stored[scheme],
        ]
