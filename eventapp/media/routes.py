"""Event photos from the `images/` folder."""

from flask import Response, send_from_directory

from eventapp.config import ROOT
from eventapp.core.http import Blueprint, ErrorBody
from eventapp.core.security import anyone

bp = Blueprint("media", __name__, url_prefix="/images", description="Event photos")
IMAGES = ROOT / "images"
MAX_AGE_SECONDS = 30 * 24 * 3600


@bp.route("/<path:file>")
@anyone
@bp.response(200, content_type="image/webp")
@bp.alt_response(404, schema=ErrorBody)
def image(file: str) -> Response:
    """A photo, under a long cache; no listing, and no path out of the folder."""
    return send_from_directory(IMAGES, file, max_age=MAX_AGE_SECONDS)
