"""Routes of figures and of the health report, for admins."""

from flask import Response

from eventapp.analytics import admin, server_health, service
from eventapp.analytics.routes.figures import make_service_arguments
from eventapp.analytics.schemas import (
    BookersAnswer,
    DashboardAnswer,
    EventFiguresAnswer,
    EventsQuery,
    HealthAnswer,
    UsersQuery,
    WaitlistAnswer,
)
from eventapp.core.access.permissions import role_required
from eventapp.core.clock import utc_now
from eventapp.core.database import get_db
from eventapp.core.http.app_context import current_config, get_image_base_url
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.fields import PageQuery
from eventapp.core.http.responses import json_response
from eventapp.core.json import JsonObject
from eventapp.core.roles import ADMIN

bp = Blueprint("admin", __name__, url_prefix="/api/admin", description="Administration")


@bp.route("/dashboard")
@role_required(ADMIN)
@bp.response(200, DashboardAnswer)
def dashboard() -> Response:
    """Return the overview, daily trends, the top events, the waitlists and engagement."""
    return json_response(
        admin.get_dashboard(get_db(), utc_now(), currency=current_config().currency)
    )


@bp.route("/users")
@role_required(ADMIN)
@bp.arguments(UsersQuery, location="query")
@bp.response(200, BookersAnswer)
def users(query: JsonObject) -> Response:
    """Return a page of accounts, newest first, with their bookings and spending."""
    return json_response(admin.list_users(get_db(), **query, image_base_url=get_image_base_url()))


@bp.route("/events")
@role_required(ADMIN)
@bp.arguments(EventsQuery, location="query")
@bp.response(200, EventFiguresAnswer)
def events(query: JsonObject) -> Response:
    """Return a page of all events, drafts included, with their figures."""
    return json_response(service.list_events(get_db(), None, **make_service_arguments(query)))


@bp.route("/waitlist")
@role_required(ADMIN)
@bp.arguments(PageQuery, location="query")
@bp.response(200, WaitlistAnswer)
def waitlist(query: JsonObject) -> Response:
    """Return a page of the events that have waitlists, most wanted tickets first."""
    return json_response(service.list_waitlists(get_db(), None, **query))


@bp.route("/health")
@role_required(ADMIN)
@bp.response(200, HealthAnswer)
def health() -> Response:
    """Return the health report: database, process, requests, pending work, mails and jobs."""
    return json_response(
        server_health.get_health(
            get_db(), utc_now(), read_job_status=server_health.JOB_STATUS.get()
        )
    )
