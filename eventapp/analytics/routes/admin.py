"""Routes of figures and of the health report, for admins."""

from flask import Response

from eventapp.analytics import admin, server_health, service
from eventapp.analytics.routes.figures import respond_events, respond_page
from eventapp.analytics.schemas import (
    BookersAnswer,
    DashboardAnswer,
    EventFiguresAnswer,
    EventsQuery,
    HealthAnswer,
    ListQuery,
    UsersQuery,
    WaitlistAnswer,
)
from eventapp.core import paging
from eventapp.core.access.permissions import role_required
from eventapp.core.clock import utc_now
from eventapp.core.database import get_db
from eventapp.core.http.app_context import current_config, get_image_base_url
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.request_parser import parse_list_query
from eventapp.core.http.responses import json_response
from eventapp.core.json import JsonObject
from eventapp.core.paging import PageRequest
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
@bp.response_link(200, "admin_users", cursor="$response.body#/nextCursor")
def users(query: JsonObject) -> Response:
    """Return a page of accounts, newest first, with their bookings and spending.

    A cursor contains its `search` and `role`.
    """
    filters, list_position = parse_list_query(query, UsersQuery)
    body, next_older_than = admin.list_users(
        get_db(),
        search=filters.get("search", ""),
        role=filters.get("role"),
        older_than=(
            paging.parse_cursor_object_id(list_position.get("before")) if list_position else None
        ),
        page=query["page"],
        limit=query["limit"],
        image_base_url=get_image_base_url(),
    )
    next_position = {"before": next_older_than} if next_older_than else None
    return respond_page(service.ListPage(body, next_position), filters)


@bp.route("/events")
@role_required(ADMIN)
@bp.arguments(EventsQuery, location="query")
@bp.response(200, EventFiguresAnswer)
@bp.response_link(200, "admin_events", cursor="$response.body#/nextCursor")
def events(query: JsonObject) -> Response:
    """Return a page of all events, drafts included, with their figures.

    A cursor contains its `sortBy` and `status`.
    """
    return respond_events(query, None)


@bp.route("/waitlist")
@role_required(ADMIN)
@bp.arguments(ListQuery, location="query")
@bp.response(200, WaitlistAnswer)
@bp.response_link(200, "admin_waitlist", cursor="$response.body#/nextCursor")
def waitlist(query: JsonObject) -> Response:
    """Return a page of the events that have waitlists, most wanted tickets first."""
    _filters, list_position = parse_list_query(query, ListQuery)
    request = PageRequest(query["page"], query["limit"], list_position)
    return respond_page(service.list_waitlists(get_db(), None, request), {})


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
