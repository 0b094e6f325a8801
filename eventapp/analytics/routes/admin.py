"""What only admins see, over HTTP."""

from typing import Any

from flask import Response

from eventapp.analytics import admin, server_health, service
from eventapp.analytics.routes.figures import named, private
from eventapp.analytics.schemas import (
    BookersAnswer,
    DashboardAnswer,
    EventFiguresAnswer,
    EventsQuery,
    HealthAnswer,
    UsersQuery,
    WaitlistAnswer,
)
from eventapp.core.access.actor import ADMIN
from eventapp.core.access.permissions import role_required
from eventapp.core.clock import utc_now
from eventapp.core.database import get_db
from eventapp.core.http.app_context import current_config
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.fields import PageQuery

bp = Blueprint("admin", __name__, url_prefix="/api/admin", description="Administration")


@bp.route("/dashboard")
@role_required(ADMIN)
@bp.response(200, DashboardAnswer)
def dashboard() -> Response:
    """The overview with daily trends, the best events, the waitlist, and engagement."""
    return private(admin.dashboard(get_db(), utc_now(), currency=current_config().currency))


@bp.route("/users")
@role_required(ADMIN)
@bp.arguments(UsersQuery, location="query")
@bp.response(200, BookersAnswer)
def users(query: dict[str, Any]) -> Response:
    """Accounts, newest first, with what each has booked and spent."""
    return private(admin.users(get_db(), query))


@bp.route("/events")
@role_required(ADMIN)
@bp.arguments(EventsQuery, location="query")
@bp.response(200, EventFiguresAnswer)
def events(query: dict[str, Any]) -> Response:
    """All events, drafts too, with their figures."""
    return private(service.events(get_db(), None, **named(query)))


@bp.route("/waitlist")
@role_required(ADMIN)
@bp.arguments(PageQuery, location="query")
@bp.response(200, WaitlistAnswer)
def waitlist(query: dict[str, Any]) -> Response:
    """The events that are waited for, the most wanted tickets first."""
    return private(service.waitlist(get_db(), None, **query))


@bp.route("/health")
@role_required(ADMIN)
@bp.response(200, HealthAnswer)
def health() -> Response:
    """Database, memory, CPU, response times, error rate, and what waits to be done."""
    return private(
        server_health.health(get_db(), utc_now(), job_status=server_health.JOB_STATUS.get())
    )
