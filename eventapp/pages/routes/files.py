"""Routes for the style sheets and scripts of the pages, and for the texts of the scripts."""

from flask import Response, send_file

from eventapp.core import json
from eventapp.core.access.permissions import anonymous
from eventapp.core.access.rate_limits import no_rate_limit
from eventapp.core.errors import NotFound
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.languages import LANGUAGES
from eventapp.core.translations import list_script_texts
from eventapp.pages import static_files

bp = Blueprint(
    "page_files",
    __name__,
    url_prefix="/static",
    description="Pages",
    ignores_unknown_parameters=True,
)
FOR_A_YEAR, CHECKED = "public, max-age=31536000, immutable", "no-cache"


@bp.route("/<version>/<path:file>")
@anonymous
@no_rate_limit
@bp.response(200, content_type="text/javascript")
@bp.error_responses(404)
def show_file(version: str, file: str) -> Response:
    """Return a style sheet, a script or a picture of the pages.

    A page that was loaded before an update asks for the former version. It gets the file as it is
    now, which no cache keeps under that address.
    """
    if file in static_files.BUNDLES:
        body = static_files.read_bundle(file)
        return _set_lifetime(Response(body, content_type="text/css; charset=utf-8"), version)
    path = static_files.FILES.get(file)
    if path is None:
        raise NotFound
    response = send_file(path, etag=static_files.VERSION)
    return _set_lifetime(response, version)


@bp.route("/<version>/texts/<language>.js")
@anonymous
@no_rate_limit
@bp.response(200, content_type="text/javascript")
@bp.error_responses(404)
def show_texts(version: str, language: str) -> Response:
    """Return a script module that exports the texts of all scripts in one language."""
    if language not in LANGUAGES:
        raise NotFound
    body = b"export default " + json.dumps(list_script_texts(language)) + b";\n"
    return _set_lifetime(Response(body, content_type="text/javascript; charset=utf-8"), version)


def _set_lifetime(response: Response, version: str) -> Response:
    is_current = version == static_files.VERSION
    response.headers["Cache-Control"] = FOR_A_YEAR if is_current else CHECKED
    return response
