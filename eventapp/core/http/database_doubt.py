"""Limit each request of an application as `core.database.request_limit` says."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Flask

from eventapp.core.app_key import AppKey
from eventapp.core.database import DatabaseDoubt, limit_request

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

DATABASE_DOUBT: AppKey[DatabaseDoubt] = AppKey("database_doubt")


def init_app(app: Flask) -> None:
    """Bound the requests of this application."""
    doubt = DatabaseDoubt()
    DATABASE_DOUBT.set(app, doubt)
    app.wsgi_app = _limit_requests(app.wsgi_app, doubt)  # type: ignore[assignment, method-assign]


def _limit_requests(handle: "WSGIApplication", doubt: DatabaseDoubt) -> "WSGIApplication":
    """Return the WSGI application with a limit. What it streams after it returned has none."""

    def handle_limited(
        environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        with limit_request(doubt):
            return handle(environ, start_response)

    return handle_limited
