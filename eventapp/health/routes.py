"""Routes for monitoring: liveness, readiness and metrics."""

from flask import Response
from pymongo.errors import PyMongoError

from eventapp.core.access.permissions import anonymous
from eventapp.core.database import OPEN_DATABASE, Db, is_unavailable
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.responses import json_response
from eventapp.core.metrics import render_metrics
from eventapp.health.schemas import Readiness

root = Blueprint("health", __name__, description="Is it alive, is it ready")
api = Blueprint("api_health", __name__, url_prefix="/api", description="Is it alive")
BLUEPRINTS = (root, api)
GREETING = b'"Hello Tickest"'


@root.route("/healthz")
@api.route("/healthz")
@anonymous
@root.doc(responses={"200": {"content": {"application/json": {"schema": {"type": "string"}}}}})
def healthz() -> Response:
    """Alive; touches no database."""
    return Response(GREETING, content_type="application/json")


@root.route("/readyz")
@anonymous
@root.response(200, Readiness)
@root.error_responses(503)
def readyz() -> Response:
    """Ready: the database answers and its indexes are there."""
    database = OPEN_DATABASE.get()
    if database.is_ready and _ping(database.db):
        return json_response({"status": "ready", "database": "ok"})
    body = {
        "message": "The database does not answer",
        "code": "database_unavailable",
        "status": "unavailable",
        "database": "unavailable",
    }
    return json_response(body, 503)


def _ping(db: Db) -> bool:
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
    """Requests, latencies, bookings and stock conflicts, as Prometheus text."""
    return Response(render_metrics(), content_type="text/plain; version=0.0.4; charset=utf-8")
