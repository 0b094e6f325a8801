"""Routes that serve the dashboard page and its files.

The files are public. The page loads its figures from the API, which requires an access token.
"""

from pathlib import Path

from flask import Response, send_from_directory

from eventapp.core.access.permissions import anonymous
from eventapp.core.errors import NotFound
from eventapp.core.http.blueprint import Blueprint

bp = Blueprint(
    "dashboard",
    __name__,
    url_prefix="/dashboard",
    description="Analytics",
    ignores_unknown_parameters=True,
)
PAGE_FOLDER = Path(__file__).resolve().parent.parent / "page"
FILES = frozenset({"page.css", "page.js", "charts.js"})


@bp.route("")
@anonymous
@bp.response(200, content_type="text/html")
def page() -> Response:
    """Return the dashboard page, on which organizers and admins log in."""
    return _send("index.html")


@bp.route("/<file>")
@anonymous
@bp.response(200, content_type="text/javascript")
@bp.error_responses(404)
def file(file: str) -> Response:
    """Return a style sheet or script of the dashboard."""
    if file not in FILES:
        raise NotFound
    return _send(file)


def _send(name: str) -> Response:
    response = send_from_directory(PAGE_FOLDER, name)
    response.headers["Cache-Control"] = "no-cache"  # A cache must revalidate it by its ETag.
    return response
