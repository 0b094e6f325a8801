"""Routes of events: the list, single events, their ticket types, schedule and photo."""

from flask import Response

from eventapp.core.access.permissions import (
    anyone,
    current_actor,
    open_in_demo,
    role_required,
)
from eventapp.core.database import get_database_time, get_db
from eventapp.core.http.app_context import current_config, get_image_base_url
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.openapi import LOCATION_HEADER
from eventapp.core.http.responses import (
    bytes_response,
    conditional_response,
    created_response,
    json_response,
)
from eventapp.core.http.uploads import UploadBody, multipart_upload, read_uploaded_file
from eventapp.core.json import JsonObject
from eventapp.core.roles import ORGANIZER
from eventapp.events import bodies, editing, listing, photos, service, suggesting
from eventapp.events.cache.event_cache import EVENT_CACHE
from eventapp.events.list_requests import ListRequest
from eventapp.events.popularity import POPULARITY
from eventapp.events.schemas.answers import (
    BareEventsAnswer,
    EventAnswer,
    FacetedEventsAnswer,
    SuggestionsAnswer,
    TicketTypesAnswer,
)
from eventapp.events.schemas.bodies import (
    NewEventBody,
    NewTicketType,
    ScheduleEntryPatch,
    TicketTypeIndexPatch,
    TicketTypePatch,
)
from eventapp.events.schemas.queries import EventQuery, PopularQuery, SuggestQuery
from eventapp.events.schemas.replacement import EventReplacement

# Runtime expressions for the links of the OpenAPI document: the ids in the answer to a new event.
EVENT_ID = "$response.body#/eventId"
TYPE_ID = "$response.body#/ticketTypes/0/ticketTypeId"
NEW_TICKET_TYPE = {"eventId": EVENT_ID, "ticketTypeId": TYPE_ID}
# The example of suggestions in the OpenAPI document, for "ja".
SUGGESTIONS = {
    "titles": [{"eventId": 12, "title": "Jazz at Noon"}, {"eventId": 3, "title": "Summer Jazz"}],
    "locations": ["Jazz Club 27, Volos"],
    "organizers": ["James Productions"],
    "categories": [],
    "tags": ["jazz"],
}
bp = Blueprint("events", __name__, url_prefix="/api/events", description="Events")
parts_bp = Blueprint("event_parts", __name__, url_prefix="/api/events", description="Events")
photos_bp = Blueprint("event_photos", __name__, url_prefix="/api/events", description="Photos")


@bp.route("")
@anyone
@bp.query_arguments(EventQuery)
@bp.response(200, FacetedEventsAnswer)
@bp.response_link(200, "events_list_events", cursor="$response.body#/nextCursor")
@bp.alt_response(304, success=True)
def list_events(request: ListRequest) -> Response:
    """Browse and search events.

    A cursor carries the filters of its list, so that only `limit` and `facets` are read in addition
    to it.
    """
    body, etag = listing.list_events(
        get_db(),
        request,
        event_cache=EVENT_CACHE.get(),
        actor=current_actor(),
        now=get_database_time(),
        image_base_url=get_image_base_url(),
    )
    return conditional_response(bytes_response(body), etag)


@bp.route("/popular")
@anyone
@bp.arguments(PopularQuery, location="query")
@bp.response(200, BareEventsAnswer)
@bp.alt_response(304, success=True)
def popular_events(query: JsonObject) -> Response:
    """List the most popular upcoming events, the best first."""
    found = listing.list_popular(
        get_db(),
        limit=query["limit"],
        actor=current_actor(),
        now=get_database_time(),
        image_base_url=get_image_base_url(),
    )
    return conditional_response(json_response({"events": found}))


@bp.route("/suggest")
@anyone
@bp.arguments(SuggestQuery, location="query")
@bp.response(200, SuggestionsAnswer, example=SUGGESTIONS)
@bp.alt_response(304, success=True)
def suggest_texts(query: JsonObject) -> Response:
    """Suggest titles, locations, organizers, categories and tags of upcoming events.

    They are texts with a word that begins with `q`; several words must follow one another in the
    text, and the last may be incomplete. Case, accents and punctuation do not matter.
    """
    suggested = suggesting.suggest(
        get_db(),
        query["q"],
        event_cache=EVENT_CACHE.get(),
        actor=current_actor(),
        now=get_database_time(),
    )
    return conditional_response(json_response(suggested))


@bp.route("", methods=["POST"])
@open_in_demo
@role_required(ORGANIZER)
@bp.arguments(NewEventBody)
@bp.response(201, EventAnswer, headers=LOCATION_HEADER)
@bp.response_link(201, "event_parts_patch_type", event_id=EVENT_ID, ticket_type_id=TYPE_ID)
@bp.response_link(201, "event_parts_drop_type", event_id=EVENT_ID, ticket_type_id=TYPE_ID)
@bp.response_link(201, "bookings_create_booking", {**NEW_TICKET_TYPE, "quantity": 1})
@bp.response_link(201, "waitlist_join_waitlist", NEW_TICKET_TYPE)
def create_event(body: bodies.NewEventInput) -> Response:
    """Create an event of the caller. The server gives it its eventId.

    With `organizerId` it is an event of that organizer, of whose team the caller must be a manager
    for all events.
    """
    event = service.create_event(
        get_db(),
        body,
        event_changes=EVENT_CACHE.get(),
        actor=current_actor(),
        now=get_database_time(),
        image_base_url=get_image_base_url(),
        default_zone=current_config().default_zone,
    )
    return created_response(event, f"/api/events/{event['eventId']}")


@bp.route("/<whole:event_id>")
@anyone
@bp.response(200, EventAnswer)
@bp.alt_response(304, success=True)
@bp.error_responses(404)
def show_event(event_id: int) -> Response:
    """Show an event."""
    body = service.view_event(
        get_db(),
        event_id,
        event_cache=EVENT_CACHE.get(),
        popularity=POPULARITY.get(),
        actor=current_actor(),
        now=get_database_time(),
        image_base_url=get_image_base_url(),
    )
    return conditional_response(bytes_response(body))


@bp.route("/<whole:event_id>", methods=["PUT"])
@open_in_demo
@role_required(ORGANIZER)
@bp.arguments(EventReplacement)
@bp.response(200, EventAnswer)
@bp.error_responses(404, 409)
def replace_event(body: bodies.EventInput, event_id: int) -> Response:
    """Replace an event, except its ids and its sold and held tickets.

    A whole event as it was answered may be sent: the fields that the server computes are ignored.
    """
    return _edit(event_id, editing.make_replacement(body, current_config().default_zone))


@bp.route("/<whole:event_id>/publish", methods=["POST"])
@role_required(ORGANIZER)
@bp.response(200, EventAnswer)
@bp.error_responses(404, 409)
def publish_event(event_id: int) -> Response:
    """Publish a draft. Publishing an event twice is no error."""
    return _edit(event_id, editing.make_publication())


@parts_bp.route("/<whole:event_id>/ticketTypes/<whole:ticket_type_index>", methods=["PATCH"])
@open_in_demo
@role_required(ORGANIZER)
@parts_bp.arguments(TicketTypeIndexPatch)
@parts_bp.response(200, EventAnswer)
@parts_bp.error_responses(404, 409)
def patch_type_by_index(
    body: bodies.TicketTypePatch, event_id: int, ticket_type_index: int
) -> Response:
    """Change the ticket type at this index, from 0."""
    return _edit(event_id, editing.make_indexed_type_patch(ticket_type_index, body))


@parts_bp.route("/<whole:event_id>/schedule/<whole:schedule_index>", methods=["PATCH"])
@open_in_demo
@role_required(ORGANIZER)
@parts_bp.arguments(ScheduleEntryPatch)
@parts_bp.response(200, EventAnswer)
@parts_bp.error_responses(404, 409)
def patch_schedule_entry(
    body: bodies.ScheduleEntryPatch, event_id: int, schedule_index: int
) -> Response:
    """Change the schedule entry at this index, from 0."""
    zone = current_config().default_zone
    return _edit(event_id, editing.make_entry_patch(schedule_index, body, zone))


@parts_bp.route("/<whole:event_id>/ticket-types")
@anyone
@parts_bp.response(200, TicketTypesAnswer)
@parts_bp.error_responses(404)
def list_types(event_id: int) -> Response:
    """List an event's ticket types."""
    ticket_types = service.list_ticket_types(
        get_db(), event_id, actor=current_actor(), now=get_database_time()
    )
    return json_response({"ticketTypes": ticket_types})


@parts_bp.route("/<whole:event_id>/ticket-types", methods=["POST"])
@role_required(ORGANIZER)
@parts_bp.arguments(NewTicketType)
@parts_bp.response(201, EventAnswer)
@parts_bp.error_responses(404, 409)
def add_type(body: bodies.TicketTypePatch, event_id: int) -> tuple[Response, int]:
    """Add a ticket type, and answer the whole event."""
    return _edit(event_id, editing.make_type_addition(body)), 201


@parts_bp.route("/<whole:event_id>/ticket-types/<whole:ticket_type_id>", methods=["PATCH"])
@role_required(ORGANIZER)
@parts_bp.arguments(TicketTypePatch)
@parts_bp.response(200, EventAnswer)
@parts_bp.error_responses(404, 409)
def patch_type(body: bodies.TicketTypePatch, event_id: int, ticket_type_id: int) -> Response:
    """Change a ticket type by its id, which it keeps when types are reordered."""
    return _edit(event_id, editing.make_type_patch(ticket_type_id, body))


@parts_bp.route("/<whole:event_id>/ticket-types/<whole:ticket_type_id>", methods=["DELETE"])
@role_required(ORGANIZER)
@parts_bp.response(200, EventAnswer)
@parts_bp.error_responses(404, 409)
def drop_type(event_id: int, ticket_type_id: int) -> Response:
    """Remove a ticket type that has no sold or held tickets and no waitlist."""
    return _edit(event_id, editing.make_type_removal(ticket_type_id))


@photos_bp.route("/<whole:event_id>/image", methods=["PUT"])
@role_required(ORGANIZER)
@multipart_upload
@photos_bp.arguments(UploadBody, location="files")
@photos_bp.response(200, EventAnswer)
@photos_bp.error_responses(404)
def set_photo(files: JsonObject, event_id: int) -> Response:
    """Make the photo in a JPEG, PNG or WebP file the image of an event.

    The previous photo is deleted.
    """
    event = photos.set_photo(
        get_db(),
        event_id,
        read_uploaded_file(files),
        event_changes=EVENT_CACHE.get(),
        actor=current_actor(),
        now=get_database_time(),
        image_base_url=get_image_base_url(),
        default_zone=current_config().default_zone,
    )
    return json_response(event)


def _edit(event_id: int, edit: editing.Edit) -> Response:
    """Apply an edit on behalf of the caller, and answer the event after it."""
    event = editing.edit_event(
        get_db(),
        event_id,
        edit,
        event_changes=EVENT_CACHE.get(),
        actor=current_actor(),
        now=get_database_time(),
        image_base_url=get_image_base_url(),
        default_zone=current_config().default_zone,
    )
    return json_response(event)
