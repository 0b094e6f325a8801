"""Photos over HTTP: those of the `images/` folder, and those that people uploaded."""

from typing import cast

from flask import Response, request, send_from_directory

from eventapp.config import ROOT
from eventapp.core.access.permissions import anonymous
from eventapp.core.database import get_db
from eventapp.core.http.blueprint import Blueprint
from eventapp.media import service

bp = Blueprint("media", __name__, url_prefix="/images", description="Event photos")
BLUEPRINTS = (bp,)
IMAGES = ROOT / "images"
MAX_AGE_SECONDS = 30 * 24 * 3600
FOR_GOOD = "public, max-age=31536000, immutable"


@bp.route("/<path:file>")
@anonymous
@bp.response(200, content_type="image/webp")
@bp.error_responses(404)
def image(file: str) -> Response:
    """A photo, under a long cache; no listing, and no path out of the folder."""
    sha = service.sha_of(file)
    if sha:
        return _uploaded(sha)
    return send_from_directory(IMAGES, file, max_age=MAX_AGE_SECONDS)


def _uploaded(sha: str) -> Response:
    """A photo of the database, whose name is its content: 304 costs no bytes of it."""
    if request.if_none_match.contains(sha):
        service.refuse_missing(get_db(), sha)
        data = b""
    else:
        data = service.read(get_db(), sha)
    response = Response(data, content_type="image/webp")
    response.headers["ETag"] = f'"{sha}"'
    response.headers["Cache-Control"] = FOR_GOOD
    return cast(Response, response.make_conditional(request, True, len(data)))
