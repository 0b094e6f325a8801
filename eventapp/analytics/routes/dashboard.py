"""Serve the dashboard page and its files. They hold no figures: those need an access token."""

from pathlib import Path

from flask import Response, send_from_directory

from eventapp.core.access.permissions import anonymous
from eventapp.core.errors import NotFound
from eventapp.core.http.blueprint import Blueprint

bp = Blueprint("dashboard", __name__, url_prefix="/dashboard", description="Analytics")
PAGE_FOLDER = Path(__file__).resolve().parent.parent / "page"
FILES = frozenset({"page.css", "page.js", "charts.js"})


@bp.route("")
@anonymous
@bp.response(200, content_type="text/html")
def page() -> Response:
    """The dashboard for organizers and admins, who sign in there."""
    return _send("index.html")


@bp.route("/<file>")
@anonymous
@bp.response(200, content_type="text/javascript")
@bp.error_responses(404)
def file(file: str) -> Response:
    """A style or script of the dashboard."""
    if file not in FILES:
        raise NotFound
    return _send(file)


def _send(name: str) -> Response:
    response = send_from_directory(PAGE_FOLDER, name)
    response.headers["Cache-Control"] = "no-cache"  # revalidated by its ETag
    return response
