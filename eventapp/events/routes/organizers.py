"""The route that lists the upcoming events of an organizer."""

from bson import ObjectId
from flask import Response

from eventapp.core import paging
from eventapp.core.access.permissions import anyone, current_actor
from eventapp.core.database import get_database_time, get_db
from eventapp.core.http.app_context import get_image_base_url
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.responses import bytes_response, conditional_response
from eventapp.core.json import JsonObject
from eventapp.core.paging import PageRequest
from eventapp.events import organizer_pages
from eventapp.events.cache.event_cache import EVENT_CACHE
from eventapp.events.schemas.answers import EventsAnswer
from eventapp.events.schemas.queries import OrganizerEventsQuery

bp = Blueprint("organizer_events", __name__, url_prefix="/api/organizers", description="Organizers")


@bp.route("/<oid:organizer_id>/events")
@anyone
@bp.arguments(OrganizerEventsQuery, location="query")
@bp.response(200, EventsAnswer)
@bp.alt_response(304, success=True)
@bp.error_responses(404)
def list_events(query: JsonObject, organizer_id: ObjectId) -> Response:
    """List the published upcoming events of an organizer, soonest first.

    It is the list `GET /api/events` with `organizerId` and `sortBy=date`. An organizer without a
    public profile is not found.
    """
    position = paging.decode_cursor(query["cursor"]) if "cursor" in query else None
    body, etag = organizer_pages.list_upcoming(
        get_db(),
        organizer_id,
        PageRequest(query["page"], query["limit"], position),
        event_cache=EVENT_CACHE.get(),
        actor=current_actor(),
        now=get_database_time(),
        image_base_url=get_image_base_url(),
    )
    return conditional_response(bytes_response(body), etag)
