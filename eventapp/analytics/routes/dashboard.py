"""The dashboard's page and its files. Whoever has the page has no figure: those need a token."""

from pathlib import Path

from flask import Response, send_from_directory

from eventapp.core.access.permissions import anonymous
from eventapp.core.errors import NotFound
from eventapp.core.http.blueprint import Blueprint

bp = Blueprint("dashboard", __name__, url_prefix="/dashboard", description="Analytics")
PAGE = Path(__file__).resolve().parent.parent / "page"
FILES = frozenset({"page.css", "page.js", "charts.js"})


@bp.route("")
@anonymous
@bp.response(200, content_type="text/html")
def page() -> Response:
    """The dashboard for organizers and admins, who sign in there."""
    return _sent("index.html")


@bp.route("/<file>")
@anonymous
@bp.response(200, content_type="text/javascript")
@bp.error_responses(404)
def file(file: str) -> Response:
    """A style or script of the dashboard."""
    if file not in FILES:
        raise NotFound
    return _sent(file)


def _sent(name: str) -> Response:
    response = send_from_directory(PAGE, name)
    response.headers["Cache-Control"] = "no-cache"  # asked for again, by its ETag
    return response
