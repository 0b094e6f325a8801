"""The photo of an event over HTTP."""

from typing import Any

from flask import Response

from eventapp.core.clock import utc_now
from eventapp.core.http import Blueprint, catalog, images_at, json_response
from eventapp.core.mongo import get_db
from eventapp.core.security import ORGANIZER, current_actor, role_required
from eventapp.core.uploads import UploadBody, upload, uploaded
from eventapp.events import service_photos
from eventapp.events.schemas_answers import EventAnswer

bp = Blueprint("event_photos", __name__, url_prefix="/api/events", description="Photos")


@bp.route("/<whole:event_id>/image", methods=["PUT"])
@role_required(ORGANIZER)
@upload
@bp.arguments(UploadBody, location="files")
@bp.response(200, EventAnswer)
@bp.refuses(404)
def set_photo(files: dict[str, Any], event_id: int) -> Response:
    """Set the event's image to this file: JPEG, PNG or WebP; the one before it is deleted."""
    event = service_photos.set_photo(
        get_db(),
        event_id,
        uploaded(files),
        actor=current_actor(),
        now=utc_now(),
        images_at=images_at(),
    )
    catalog().changed(event_id)
    return json_response(event)
