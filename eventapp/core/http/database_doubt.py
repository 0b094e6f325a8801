"""Bound the database time of a whole request while the database is in doubt.

Each operation has a time limit (`CLIENT_OPTIONS` of `core.database`), and the first that reaches it
ends its request with 503. If the database comes back and fails again, one request could wait for
that limit several times. So from the first 503 on, until none has occurred for DOUBT_SECONDS, all
operations of a request share one limit. In normal operation a long request is not cut short.
"""

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import pymongo
from flask import Flask

from eventapp.core.app_key import AppKey

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# A request must be answered with 503 within 3 s. The driver may pause 0.5 s beyond its limit.
REQUEST_SECONDS = 2.0
DOUBT_SECONDS = 10.0


class DatabaseDoubt:
    """Remembers when the database last failed to answer a request of this process."""

    def __init__(self) -> None:
        self._failed_at = float("-inf")

    def note_failure(self) -> None:
        """Note that the database has just failed to answer."""
        self._failed_at = time.monotonic()

    def exists(self) -> bool:
        """Return whether the database failed within the last DOUBT_SECONDS."""
        return time.monotonic() - self._failed_at < DOUBT_SECONDS


DATABASE_DOUBT: AppKey[DatabaseDoubt] = AppKey("database_doubt")


def init_app(app: Flask) -> None:
    """Bound the requests of this application."""
    doubt = DatabaseDoubt()
    DATABASE_DOUBT.set(app, doubt)
    app.wsgi_app = limit_while_in_doubt(app.wsgi_app, doubt)  # type: ignore[assignment, method-assign]


def limit_while_in_doubt(handle: "WSGIApplication", doubt: DatabaseDoubt) -> "WSGIApplication":
    """Return the WSGI application with a limit. What it streams after it returned has none."""

    def handle_limited(
        environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        if not doubt.exists():
            return handle(environ, start_response)
        with pymongo.timeout(REQUEST_SECONDS):
            return handle(environ, start_response)

    return handle_limited
