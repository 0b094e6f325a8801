"""An event's schedule entries and ticket types over HTTP, by place and by stable id."""

from typing import Any

from flask import Response

from eventapp.core.access.permissions import anyone, current_actor, role_required
from eventapp.core.database import get_db
from eventapp.core.http.app_context import image_base_url
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.responses import json_response
from eventapp.core.roles import ORGANIZER
from eventapp.events import editing, service
from eventapp.events.answer_schemas import EventAnswer, TicketTypesAnswer
from eventapp.events.routes.events import edited
from eventapp.events.schemas import (
    NewTicketType,
    ScheduleEntryPatch,
    TicketTypeIndexPatch,
    TicketTypePatch,
)

bp = Blueprint("event_parts", __name__, url_prefix="/api/events", description="Events")


@bp.route("/<whole:event_id>/ticketTypes/<whole:ticket_type_index>", methods=["PATCH"])
@role_required(ORGANIZER)
@bp.arguments(TicketTypeIndexPatch)
@bp.response(200, EventAnswer)
@bp.error_responses(404, 409)
def patch_type_by_index(body: dict[str, Any], event_id: int, ticket_type_index: int) -> Response:
    """Change the ticket type in this place, from 0."""
    return edited(event_id, editing.patch_type_at(ticket_type_index, body))


@bp.route("/<whole:event_id>/schedule/<whole:schedule_index>", methods=["PATCH"])
@role_required(ORGANIZER)
@bp.arguments(ScheduleEntryPatch)
@bp.response(200, EventAnswer)
@bp.error_responses(404, 409)
def patch_schedule_entry(body: dict[str, Any], event_id: int, schedule_index: int) -> Response:
    """Change the schedule entry in this place, from 0."""
    return edited(event_id, editing.patch_schedule(schedule_index, body))


@bp.route("/<whole:event_id>/ticket-types")
@anyone
@bp.response(200, TicketTypesAnswer)
@bp.error_responses(404)
def list_types(event_id: int) -> Response:
    """The event's ticket types."""
    actor = current_actor()
    types = service.ticket_types(get_db(), event_id, actor=actor, image_base_url=image_base_url())
    return json_response({"ticketTypes": types})


@bp.route("/<whole:event_id>/ticket-types", methods=["POST"])
@role_required(ORGANIZER)
@bp.arguments(NewTicketType)
@bp.response(201, EventAnswer)
@bp.error_responses(404, 409)
def add_type(body: dict[str, Any], event_id: int) -> tuple[Response, int]:
    """Put a further ticket type on sale; the whole event back."""
    return edited(event_id, editing.add_type(body)), 201


@bp.route("/<whole:event_id>/ticket-types/<whole:ticket_type_id>", methods=["PATCH"])
@role_required(ORGANIZER)
@bp.arguments(TicketTypePatch)
@bp.response(200, EventAnswer)
@bp.error_responses(404, 409)
def patch_type(body: dict[str, Any], event_id: int, ticket_type_id: int) -> Response:
    """Change a ticket type; its id stays whatever the order."""
    return edited(event_id, editing.patch_type(ticket_type_id, body))


@bp.route("/<whole:event_id>/ticket-types/<whole:ticket_type_id>", methods=["DELETE"])
@role_required(ORGANIZER)
@bp.response(200, EventAnswer)
@bp.error_responses(404, 409)
def drop_type(event_id: int, ticket_type_id: int) -> Response:
    """Take a ticket type away that nobody has."""
    return edited(event_id, editing.drop_type(ticket_type_id))
