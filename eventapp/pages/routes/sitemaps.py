"""Routes for search engines: what they may read, and which pages there are."""

from xml.sax.saxutils import escape

from flask import Response

from eventapp.core.access.permissions import anonymous
from eventapp.core.database import get_db
from eventapp.core.http.app_context import get_image_base_url
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.responses import shared_response
from eventapp.pages.sitemap import MAX_AGE, SITEMAPS

bp = Blueprint("sitemaps", __name__, ignores_unknown_parameters=True)
# Pages of one person, and what is no page. Photos are allowed, and so are calendars of events.
HIDDEN = ("/api/", "/account", "/console", "/door", "/b/", "/dashboard", "/android/")


@bp.route("/robots.txt")
@anonymous
def show_robots() -> Response:
    """Return which pages search engines may read, and where the sitemap is."""
    lines = ["User-agent: *", *(f"Disallow: {path}" for path in HIDDEN), "Allow: /"]
    text = "\n".join([*lines, "", f"Sitemap: {get_image_base_url()}/sitemap.xml", ""])
    return shared_response(Response(text, content_type="text/plain; charset=utf-8"), MAX_AGE)


@bp.route("/sitemap.xml")
@anonymous
def show_sitemap() -> Response:
    """Return the addresses of public pages, or of the files with them if there are several."""
    return _answer(SITEMAPS.get().show(get_db(), _get_site()))


@bp.route("/sitemap-<whole:number>.xml")
@anonymous
def show_part(number: int) -> Response:
    """Return the addresses of the public pages of a range of eventIds."""
    return _answer(SITEMAPS.get().show_part(get_db(), number, _get_site()))


def _get_site() -> str:
    return escape(get_image_base_url())


def _answer(body: bytes) -> Response:
    return shared_response(Response(body, content_type="application/xml; charset=utf-8"), MAX_AGE)
