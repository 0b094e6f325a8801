"""Pages of the organizers' console about all events of a person, the team, webhooks and tokens.

The scripts of the pages read and change all of it by the API.
"""

from flask import Response, redirect

from eventapp.core.access.permissions import anonymous
from eventapp.core.http.blueprint import Blueprint
from eventapp.pages.console_pages import render_console_page
from eventapp.pages.page_language import make_link

bp = Blueprint(
    "console_account",
    __name__,
    description="Pages",
    ignores_unknown_parameters=True,
)


@bp.route("/dashboard")
@anonymous
@bp.response(308, content_type="text/html")
def redirect_dashboard() -> Response:
    """Lead from the former address of the console to the present one."""
    answer: Response = redirect(make_link("/console"), 308)  # type: ignore[assignment]
    return answer


@bp.route("/console/figures")
@anonymous
@bp.response(200, content_type="text/html")
def show_figures() -> Response:
    """Return the page with the figures of all events: the person's own, or all for an admin."""
    return render_console_page("console/figures.html", "figures")


@bp.route("/console/team")
@anonymous
@bp.response(200, content_type="text/html")
def show_team() -> Response:
    """Return the page with the person's team and public profile, and the teams of others."""
    return render_console_page("console/team.html", "team")


@bp.route("/console/webhooks")
@anonymous
@bp.response(200, content_type="text/html")
def show_webhooks() -> Response:
    """Return the page with the person's webhooks."""
    return render_console_page("console/webhooks.html", "webhooks")


@bp.route("/console/tokens")
@anonymous
@bp.response(200, content_type="text/html")
def show_tokens() -> Response:
    """Return the page with the person's API tokens."""
    return render_console_page("console/tokens.html", "tokens")
