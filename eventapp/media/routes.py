"""Route that serves uploaded photos and the photos of the `images/` folder."""

from typing import cast

from flask import Response, request, send_from_directory

from eventapp.config import ROOT
from eventapp.core.access.permissions import anonymous
from eventapp.core.database import get_db
from eventapp.core.http.blueprint import Blueprint
from eventapp.media import service

bp = Blueprint("media", __name__, url_prefix="/images", ignores_unknown_parameters=True)
BLUEPRINTS = (bp,)
IMAGES = ROOT / "images"
MAX_AGE_SECONDS = 30 * 24 * 3600
# The URL of an uploaded photo names its content, so a cache never needs to revalidate it.
IMMUTABLE = "public, max-age=31536000, immutable"


@bp.route("/<path:file>")
@anonymous
def image(file: str) -> Response:
    """Return an uploaded photo, or one of the `images/` folder, with a long cache time."""
    sha = service.parse_file_name(file)
    if sha:
        return _serve_uploaded_photo(sha)
    return send_from_directory(IMAGES, file, max_age=MAX_AGE_SECONDS)


def _serve_uploaded_photo(sha: str) -> Response:
    """Return an uploaded photo. Its bytes are not read if the answer is 304."""
    if request.if_none_match.contains(sha):
        service.require_photo(get_db(), sha)
        data = b""
    else:
        data = service.read_photo(get_db(), sha)
    response = Response(data, content_type="image/webp")
    response.headers["ETag"] = f'"{sha}"'
    response.headers["Cache-Control"] = IMMUTABLE
    return cast(Response, response.make_conditional(request, True, len(data)))
