"""Routes of an event's schedule entries and ticket types, by index and by id."""

from flask import Response

from eventapp.core.access.permissions import anyone, current_actor, role_required
from eventapp.core.database import get_db
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.responses import json_response
from eventapp.core.roles import ORGANIZER
from eventapp.events import bodies, editing, service
from eventapp.events.routes.events import edit
from eventapp.events.schemas import (
    EventAnswer,
    NewTicketType,
    ScheduleEntryPatch,
    TicketTypeIndexPatch,
    TicketTypePatch,
    TicketTypesAnswer,
)

bp = Blueprint("event_parts", __name__, url_prefix="/api/events", description="Events")


@bp.route("/<whole:event_id>/ticketTypes/<whole:ticket_type_index>", methods=["PATCH"])
@role_required(ORGANIZER)
@bp.arguments(TicketTypeIndexPatch)
@bp.response(200, EventAnswer)
@bp.error_responses(404, 409)
def patch_type_by_index(
    body: bodies.TicketTypePatch, event_id: int, ticket_type_index: int
) -> Response:
    """Change the ticket type at this index, from 0."""
    return edit(event_id, editing.patch_type_at(ticket_type_index, body))


@bp.route("/<whole:event_id>/schedule/<whole:schedule_index>", methods=["PATCH"])
@role_required(ORGANIZER)
@bp.arguments(ScheduleEntryPatch)
@bp.response(200, EventAnswer)
@bp.error_responses(404, 409)
def patch_schedule_entry(
    body: bodies.ScheduleEntryPatch, event_id: int, schedule_index: int
) -> Response:
    """Change the schedule entry at this index, from 0."""
    return edit(event_id, editing.patch_entry(schedule_index, body))


@bp.route("/<whole:event_id>/ticket-types")
@anyone
@bp.response(200, TicketTypesAnswer)
@bp.error_responses(404)
def list_types(event_id: int) -> Response:
    """List an event's ticket types."""
    ticket_types = service.list_ticket_types(get_db(), event_id, actor=current_actor())
    return json_response({"ticketTypes": ticket_types})


@bp.route("/<whole:event_id>/ticket-types", methods=["POST"])
@role_required(ORGANIZER)
@bp.arguments(NewTicketType)
@bp.response(201, EventAnswer)
@bp.error_responses(404, 409)
def add_type(body: bodies.TicketTypePatch, event_id: int) -> tuple[Response, int]:
    """Add a ticket type, and answer the whole event."""
    return edit(event_id, editing.add_type(body)), 201


@bp.route("/<whole:event_id>/ticket-types/<whole:ticket_type_id>", methods=["PATCH"])
@role_required(ORGANIZER)
@bp.arguments(TicketTypePatch)
@bp.response(200, EventAnswer)
@bp.error_responses(404, 409)
def patch_type(body: bodies.TicketTypePatch, event_id: int, ticket_type_id: int) -> Response:
    """Change a ticket type by its id, which it keeps when types are reordered."""
    return edit(event_id, editing.patch_type(ticket_type_id, body))


@bp.route("/<whole:event_id>/ticket-types/<whole:ticket_type_id>", methods=["DELETE"])
@role_required(ORGANIZER)
@bp.response(200, EventAnswer)
@bp.error_responses(404, 409)
def drop_type(event_id: int, ticket_type_id: int) -> Response:
    """Remove a ticket type of which no ticket is sold, held or waited for."""
    return edit(event_id, editing.remove_type(ticket_type_id))
