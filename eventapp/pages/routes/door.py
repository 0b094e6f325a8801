"""Routes of the door, where tickets are checked in: its page, service worker and manifest.

The page is the same for everybody: who may check in is known to its script alone. So the service
worker can keep it for when there is no connection.
"""

from flask import Response

from eventapp.core import json
from eventapp.core.access.permissions import anonymous
from eventapp.core.access.rate_limits import no_rate_limit
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.headers import POLICY
from eventapp.core.languages import LANGUAGES
from eventapp.pages import door_files, static_files
from eventapp.pages.page_language import current_translator, make_link
from eventapp.pages.rendering import render_page

PATH = "/door"
bp = Blueprint(
    "door_page", __name__, url_prefix=PATH, description="Pages", ignores_unknown_parameters=True
)
WORKER_POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'"


@bp.route("")
@anonymous
@no_rate_limit
@bp.response(200, content_type="text/html")
def show_door() -> Response:
    """Show the page that checks tickets in."""
    response = render_page("door.html", {}, sources={"worker-src": ("'self'",)})
    response.headers["Permissions-Policy"] = "camera=(self)"
    return response


@bp.route("/worker.js")
@anonymous
@no_rate_limit
@bp.response(200, content_type="text/javascript")
def show_worker() -> Response:
    """Return the service worker of the page, which begins with what it keeps."""
    kept = {
        "version": door_files.VERSION,
        "pages": {
            "default": PATH,
            **{language: f"{PATH}?lang={language}" for language in LANGUAGES},
        },
        "files": door_files.ADDRESSES,
    }
    script = static_files.FILES[door_files.WORKER].read_bytes()
    body = b"const DOOR = " + json.dumps(kept) + b";\n" + script
    response = Response(body, content_type="text/javascript; charset=utf-8")
    response.headers[POLICY] = WORKER_POLICY
    # By default a worker is for the pages below its own address.
    response.headers["Service-Worker-Allowed"] = PATH
    return response


@bp.route("/app.webmanifest")
@anonymous
@no_rate_limit
@bp.response(200, content_type="application/manifest+json")
def show_manifest() -> Response:
    """Return what a phone needs to put the door on its home screen."""
    _ = current_translator().gettext
    manifest = {
        "name": _("Door"),
        "short_name": _("Door"),
        "description": _("Check tickets at the door"),
        "lang": current_translator().language,
        "id": PATH,
        "start_url": make_link(PATH),
        "scope": PATH,
        "display": "standalone",
        "orientation": "portrait",
        "background_color": "#f6f6f4",
        "theme_color": "#a3215b",
        "icons": [
            {"src": static_files.make_url("icon.svg"), "sizes": "any", "type": "image/svg+xml"}
        ],
    }
    response = Response(json.dumps(manifest), content_type="application/manifest+json")
    response.vary.add("Accept-Language")
    return response
