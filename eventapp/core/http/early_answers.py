"""Answer frequent requests before Flask handles them, which takes most of their time.

A feature gives a function that reads such a request (`RequestReader`). There are two ways to answer
it, and Flask answers what is left, all errors among it:

1. To a request without a token, by what is in memory. It takes no permit, so it does not wait for
   requests that wait for the database.
2. By what the database answers, to a request without a token or with that of an attendee. It takes
   a permit, and has a limit for the database, as requests by Flask have.

The answer counts in the rate limit as that by Flask does. `early_sending` sends it.
"""

import re
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

import structlog
from flask import Flask
from pymongo.errors import PyMongoError

from eventapp.config import Config
from eventapp.core.access import early_callers, rate_limits
from eventapp.core.access.actor import Actor
from eventapp.core.app_key import AppKey
from eventapp.core.database import note_no_answer
from eventapp.core.errors import AppError, DatabaseUnavailable
from eventapp.core.http import database_doubt, headers
from eventapp.core.http.early_sending import (
    SCHEMES,
    AnswerSender,
    EarlyAnswer,
    EarlyCall,
    Header,
)

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = structlog.get_logger()

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
GUEST = Actor()
# The key in a WSGI environment of the EarlyRequest that was read from it.
REQUEST_KEY = "eventapp.early_request"


class EarlyRequest(NamedTuple):
    """A request that may be answered before Flask.

    Attributes:
        route: the rule of its route.
        peek: returns the answer for the guest if it is in memory. It asks no database.
        load: returns the answer for the guest, or for a user who is neither an organizer nor in a
            team. It may raise AppError and PyMongoError. None if only `peek` can answer.
        is_limited: whether the request counts towards the rate limit.
    """

    route: str
    peek: Callable[[], EarlyAnswer | None]
    load: Callable[[Actor], EarlyAnswer] | None = None
    is_limited: bool = True


# Returns None for a request of another route, or with faults that Flask must find.
RequestReader = Callable[[Flask, "WSGIEnvironment"], EarlyRequest | None]


def init_app(app: Flask, config: Config, readers: Iterable[RequestReader]) -> None:
    """Answer the requests that one of the readers reads, and the others by Flask.

    Call this before `headers.init_app`, so that the readers see the addresses that Flask sees.
    """
    early = EarlyAnswers(app, config, tuple(readers))
    EARLY_ANSWERS.set(app, early)
    app.wsgi_app = early.answer_by_database  # type: ignore[method-assign]
    database_doubt.init_app(app)
    early.handle = app.wsgi_app
    app.wsgi_app = early.answer_by_memory  # type: ignore[method-assign]


class EarlyAnswers:
    """Two WSGI applications, one for each way to answer.

    Attributes:
        handle: answers what is not in memory, by `answer_by_database` and Flask.
    """

    def __init__(self, app: Flask, config: Config, readers: tuple[RequestReader, ...]) -> None:
        """Wrap the application, before others do."""
        self._handle_by_flask: WSGIApplication = app.wsgi_app
        self.handle: WSGIApplication = app.wsgi_app
        self._app, self._readers = app, readers
        self._sender = AnswerSender(app, config)
        self._has_limits = config.rate_limit_enabled
        self._depends_on_origin = headers.depends_on_origin(config)

    def answer_by_memory(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer a request without a token if the answer is in memory."""
        started = time.perf_counter()
        request = self._read(environ) if self._may_be_early(environ) else None
        if request:
            environ[REQUEST_KEY] = request
            answer = None if "HTTP_AUTHORIZATION" in environ else request.peek()
            limits = self._count(environ, request, GUEST) if answer else None
            if answer and limits is not None:
                call = EarlyCall(environ, start_response, request.route, GUEST, limits, started)
                return self._sender.send(call, answer)
        return self.handle(environ, start_response)

    def answer_by_database(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer a request that `answer_by_memory` has read and did not answer."""
        started = time.perf_counter()
        request: EarlyRequest | None = environ.get(REQUEST_KEY)
        claimed = self._find_claimed_caller(environ) if request and request.load else None
        limits = self._count(environ, request, claimed) if request and claimed else None
        if request and claimed and limits is not None:
            actor = self._confirm_caller(environ, claimed)
            answer = self._load(request, actor) if actor else None
            if actor and answer:
                call = EarlyCall(environ, start_response, request.route, actor, limits, started)
                return self._sender.send(call, answer)
        return self._handle_by_flask(environ, start_response)

    def _may_be_early(self, environ: "WSGIEnvironment") -> bool:
        return (
            environ["REQUEST_METHOD"] in ("GET", "HEAD")
            and DECISIVE_HEADERS.isdisjoint(environ)
            and not environ.get("SCRIPT_NAME")
            and environ["wsgi.url_scheme"] in SCHEMES
            and _is_plain_host(environ.get("HTTP_HOST", "")) is not None
            and not (self._depends_on_origin and "HTTP_ORIGIN" in environ)
        )

    def _read(self, environ: "WSGIEnvironment") -> EarlyRequest | None:
        for read in self._readers:
            request = read(self._app, environ)
            if request is not None:
                return request
        return None

    def _count(
        self, environ: "WSGIEnvironment", request: EarlyRequest, claimed: Actor
    ) -> list[Header] | None:
        """Count a request towards the rate limit, and return its headers that tell of the limit.

        Returns:
            None if the request exceeds the limit, so that Flask must refuse it.
        """
        if not (self._has_limits and request.is_limited):
            return []
        stats = rate_limits.count_early_read(self._app, environ, claimed.user_id)
        return None if stats.remaining < 0 else rate_limits.list_headers(stats)

    def _find_claimed_caller(self, environ: "WSGIEnvironment") -> Actor | None:
        if "HTTP_AUTHORIZATION" not in environ:
            return GUEST
        return early_callers.find_claimed_user(self._app, environ)

    def _confirm_caller(self, environ: "WSGIEnvironment", claimed: Actor) -> Actor | None:
        if claimed.user_id is None:
            return claimed
        return early_callers.confirm_user(self._app, environ, claimed)

    def _load(self, request: EarlyRequest, actor: Actor) -> EarlyAnswer | None:
        """Return the answer to a request; None after an error, which Flask will meet and answer."""
        try:
            return request.load(actor) if request.load else None
        except (PyMongoError, DatabaseUnavailable):
            note_no_answer()
        except AppError:
            pass
        except Exception:
            log.exception("unexpected error", route=request.route)
        return None


EARLY_ANSWERS: AppKey[EarlyAnswers] = AppKey("early_answers")
