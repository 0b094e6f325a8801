"""The route that duplicates an event."""

from flask import Response

from eventapp.core.access.permissions import current_actor, role_required
from eventapp.core.database import get_database_time, get_db
from eventapp.core.http.app_context import current_config, get_image_base_url
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.openapi import LOCATION_HEADER
from eventapp.core.http.responses import created_response
from eventapp.core.json import JsonObject
from eventapp.core.roles import ORGANIZER
from eventapp.events import duplicates
from eventapp.events.cache.event_cache import EVENT_CACHE
from eventapp.events.schemas.answers import EventAnswer
from eventapp.events.schemas.duplicates import DuplicateBody

bp = Blueprint("event_duplicates", __name__, url_prefix="/api/events", description="Events")


@bp.route("/<whole:event_id>/duplicate", methods=["POST"])
@role_required(ORGANIZER)
@bp.arguments(DuplicateBody)
@bp.response(201, EventAnswer, headers=LOCATION_HEADER)
@bp.response_link(201, "events_publish_event", event_id="$response.body#/eventId")
@bp.error_responses(404, 409)
def duplicate_event(body: JsonObject, event_id: int) -> Response:
    """Make a draft of the caller's event, with the same content and without its sales.

    Ticket types, dates, quotas, promo codes and questions keep their ids. All tickets are on sale
    again, and no promo code is used.
    """
    event = duplicates.duplicate_event(
        get_db(),
        event_id,
        body.get("dates"),
        event_changes=EVENT_CACHE.get(),
        actor=current_actor(),
        now=get_database_time(),
        image_base_url=get_image_base_url(),
        default_zone=current_config().default_zone,
    )
    return created_response(event, f"/api/events/{event['eventId']}")
