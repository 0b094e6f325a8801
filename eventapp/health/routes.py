"""Routes for monitoring: liveness, readiness and metrics."""

from typing import TYPE_CHECKING

from flask import Flask, Response
from marshmallow import Schema, fields
from pymongo.errors import PyMongoError

from eventapp.core.access.permissions import anonymous
from eventapp.core.clock import utc_now
from eventapp.core.database import OPEN_DATABASE, Db, is_unavailable
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.early_answers import EarlyRequest
from eventapp.core.http.early_sending import EarlyAnswer
from eventapp.core.http.responses import json_response
from eventapp.core.metrics import GaugeValue, render_metrics
from eventapp.health import service

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

root = Blueprint("health", __name__, description="Health")
api = Blueprint("api_health", __name__, url_prefix="/api", description="Health")
BLUEPRINTS = (root, api)
GREETING = b'"Hello Tickest"'
EARLY_REQUESTS = {
    path: EarlyRequest(path, lambda: EarlyAnswer(GREETING), is_limited=False)
    for path in ("/healthz", "/api/healthz")
}


def read_request(_app: Flask, environ: "WSGIEnvironment") -> EarlyRequest | None:
    """Read a request that asks whether the server is alive."""
    request = EARLY_REQUESTS.get(environ.get("PATH_INFO", ""))
    return None if environ.get("QUERY_STRING") else request


class Readiness(Schema):
    """Whether the server is ready, and whether its database answers."""

    status = fields.String(required=True)
    database = fields.String(required=True)


@root.route("/healthz")
@api.route("/healthz")
@anonymous
@root.response(200, {"type": "string", "const": "Hello Tickest"})
def healthz() -> Response:
    """Answer that the server is alive, without a call to the database."""
    return Response(GREETING, content_type="application/json")


@root.route("/readyz")
@anonymous
@root.response(200, Readiness)
@root.error_responses(503)
def readyz() -> Response:
    """Answer whether the database answers and has been prepared."""
    database = OPEN_DATABASE.get()
    if database.is_ready and _answers_ping(database.db):
        return json_response({"status": "ready", "database": "ok"})
    body = {
        "message": "The database does not answer",
        "code": "database_unavailable",
        "status": "unavailable",
        "database": "unavailable",
    }
    return json_response(body, 503)


def _answers_ping(db: Db) -> bool:
    """Return True if the database answers."""
    try:
        db.command("ping")
    except PyMongoError as error:
        if not is_unavailable(error):
            raise
        return False
    return True


@root.route("/metrics")
@anonymous
@root.response(200, content_type="text/plain")
def metrics() -> Response:
    """Return the metrics of all server processes, in the text format of Prometheus.

    The gauges of what the database has to do are absent while it does not answer.
    """
    return Response(
        render_metrics(_read_gauges()), content_type="text/plain; version=0.0.4; charset=utf-8"
    )


def _read_gauges() -> list[GaugeValue]:
    """Return the gauges that the database has, none if it is unavailable."""
    database = OPEN_DATABASE.get()
    if not database.is_ready:
        return []
    try:
        return service.read_gauges(database.db, utc_now())
    except PyMongoError as error:
        if not is_unavailable(error):
            raise
        return []
