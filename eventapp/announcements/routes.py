"""Routes of the announcements of an event, for those who manage it."""

from bson import ObjectId
from flask import Response

from eventapp.announcements import service
from eventapp.announcements.schemas import (
    AnnouncementBody,
    AnnouncementReceipt,
    AnnouncementsAnswer,
    AnnouncementsQuery,
)
from eventapp.announcements.types import AnnouncementInput
from eventapp.core import paging
from eventapp.core.access.permissions import current_actor, role_required
from eventapp.core.clock import utc_now
from eventapp.core.database import get_db
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.fields import Message
from eventapp.core.http.idempotency_key import HEADER, KEY_SCHEMA, read_idempotency_key
from eventapp.core.http.request_parser import parse_list_query
from eventapp.core.http.responses import json_response
from eventapp.core.json import JsonObject
from eventapp.core.roles import ORGANIZER

bp = Blueprint("announcements", __name__, url_prefix="/api/events", description="Announcements")
BLUEPRINTS = (bp,)


@bp.route("/<whole:event_id>/announcements", methods=["POST"])
@role_required(ORGANIZER)
@bp.arguments(AnnouncementBody)
@bp.header_parameter(HEADER, **KEY_SCHEMA)
@bp.response(202, AnnouncementReceipt)
@bp.response_link(
    202,
    "announcements_delete_announcement",
    event_id="$request.path.event_id",
    announcement_id="$response.body#/announcementId",
)
@bp.error_responses(404, 409)
def write_announcement(body: AnnouncementInput, event_id: int) -> Response:
    """Write to the holders of confirmed bookings of the event, once for each `Idempotency-Key`.

    Each holder gets one notification and one mail, also with several bookings. Who holds a booking
    is decided when it is sent: a booking that was cancelled before gets none. At most five
    announcements of an event are sent on one day in UTC.
    """
    receipt = service.write_announcement(
        get_db(), event_id, current_actor(), body, read_idempotency_key(), utc_now()
    )
    return json_response(receipt, 202)


@bp.route("/<whole:event_id>/announcements")
@role_required(ORGANIZER)
@bp.arguments(AnnouncementsQuery, location="query")
@bp.response(200, AnnouncementsAnswer)
@bp.response_link(
    200,
    "announcements_list_announcements",
    event_id="$request.path.event_id",
    cursor="$response.body#/nextCursor",
)
@bp.error_responses(404)
def list_announcements(query: JsonObject, event_id: int) -> Response:
    """List the announcements of the event, newest first, with how many holders got them."""
    _filters, list_position = parse_list_query(query, AnnouncementsQuery)
    request = paging.PageRequest(query["page"], query["limit"], list_position)
    body, next_position = service.list_announcements(get_db(), event_id, current_actor(), request)
    return json_response({**body, "nextCursor": paging.make_next_cursor(next_position, {})})


@bp.route("/<whole:event_id>/announcements/<oid:announcement_id>", methods=["DELETE"])
@role_required(ORGANIZER)
@bp.response(200, Message)
@bp.error_responses(404, 409)
def delete_announcement(event_id: int, announcement_id: ObjectId) -> Response:
    """Delete an announcement that is not sent yet."""
    service.delete_announcement(get_db(), event_id, announcement_id, current_actor(), utc_now())
    return json_response({"message": "Announcement deleted"})
