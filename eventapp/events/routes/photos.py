"""The route that uploads the photo of an event."""

from flask import Response

from eventapp.core.access.permissions import current_actor, role_required
from eventapp.core.clock import utc_now
from eventapp.core.database import get_db
from eventapp.core.http.app_context import image_base_url
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.responses import json_response
from eventapp.core.http.uploads import UploadBody, multipart_upload, read_uploaded_file
from eventapp.core.json import JsonObject
from eventapp.core.roles import ORGANIZER
from eventapp.events import editing
from eventapp.events.cache.event_cache import EVENT_CACHE
from eventapp.events.schemas import EventAnswer

bp = Blueprint("event_photos", __name__, url_prefix="/api/events", description="Photos")


@bp.route("/<whole:event_id>/image", methods=["PUT"])
@role_required(ORGANIZER)
@multipart_upload
@bp.arguments(UploadBody, location="files")
@bp.response(200, EventAnswer)
@bp.error_responses(404)
def set_photo(files: JsonObject, event_id: int) -> Response:
    """Make the photo in a JPEG, PNG or WebP file the image of an event.

    The photo before it is deleted.
    """
    event = editing.set_photo(
        get_db(),
        event_id,
        read_uploaded_file(files),
        event_changes=EVENT_CACHE.get(),
        actor=current_actor(),
        now=utc_now(),
        image_base_url=image_base_url(),
    )
    return json_response(event)
