"""Routes of check-in, for the organizer of an event."""

from collections.abc import Iterator

from flask import Response

from eventapp.core import json
from eventapp.core.access.permissions import current_actor, make_actor_loader, role_required
from eventapp.core.access.rate_limits import check_in_rate_limit
from eventapp.core.clock import utc_now
from eventapp.core.database import get_db
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.responses import json_response
from eventapp.core.json import JsonObject
from eventapp.core.roles import ORGANIZER
from eventapp.tickets import check_ins
from eventapp.tickets.schemas import (
    BatchAnswer,
    BatchBody,
    CheckedIn,
    CheckInBody,
    DoorAnswer,
    UndoBody,
    UndoneAnswer,
)
from eventapp.tickets.types import ValidTicket

# The name "door" is part of the operation ids in the OpenAPI document.
bp = Blueprint("door", __name__, url_prefix="/api/events", description="Tickets")


def open_check_in(event_id: int) -> check_ins.EventCheckIn:
    return check_ins.open_check_in(get_db(), event_id, current_actor(), utc_now())


@bp.route("/<whole:event_id>/check-in", methods=["POST"])
@check_in_rate_limit
@role_required(ORGANIZER)
@bp.arguments(CheckInBody)
@bp.response(200, CheckedIn)
@bp.error_responses(404, 409)
def check_in(body: JsonObject, event_id: int) -> Response:
    """Check in a ticket, once: the one with this code, or one that was found by name in the list.

    409 `already_checked_in` has `checkedInAt`, and in `checkedInBy` the name of the device or API
    token that checked it in, if that is known.
    """
    scan = check_ins.Scan(code=body.get("code"), ticket_id=body.get("ticketId"))
    return json_response(open_check_in(event_id).check_scan_in(scan, utc_now()))


@bp.route("/<whole:event_id>/check-in")
@role_required(ORGANIZER)
@bp.response(200, DoorAnswer)
@bp.error_responses(404)
def check_in_list(event_id: int) -> Response:
    """Return what a scanner needs to work offline: the public key and all valid tickets."""
    event_check_in = open_check_in(event_id)
    header: JsonObject = {
        "eventId": event_id,
        "algorithm": "Ed25519",
        "publicKey": event_check_in.key.public_key,
    }
    batches = event_check_in.iter_valid_tickets(make_actor_loader(current_actor()))
    # The first batch is read before the answer begins, so that an unavailable database is a 503.
    first = next(batches, [])
    return Response(_stream_list(header, first, batches), content_type="application/json")


def _stream_list(
    header: JsonObject, first: list[ValidTicket], batches: Iterator[list[ValidTicket]]
) -> Iterator[bytes]:
    """Yield the JSON answer in parts, because it may be too long to build in memory."""
    yield json.dumps(header)[:-1] + b',"tickets":[' + json.dumps(first)[1:-1]
    for batch in batches:
        yield b"," + json.dumps(batch)[1:-1]
    yield b"]}"


@bp.route("/<whole:event_id>/check-in/undo", methods=["POST"])
@role_required(ORGANIZER)
@bp.arguments(UndoBody)
@bp.response(200, UndoneAnswer)
@bp.error_responses(404, 409)
def undo_check_in(body: JsonObject, event_id: int) -> Response:
    """Undo the check-in of a ticket. It needs a login; door devices may not do it.

    The ticket can then be checked in again. An offline scan from before the undo that is uploaded
    later is answered `undone`, and checks nothing in.
    """
    undone = open_check_in(event_id).undo(body["ticketId"], utc_now())
    return json_response({"message": "Check-in undone", **undone})


@bp.route("/<whole:event_id>/check-in/batch", methods=["POST"])
@check_in_rate_limit
@role_required(ORGANIZER)
@bp.arguments(BatchBody)
@bp.response(200, BatchAnswer)
@bp.error_responses(404)
def check_in_batch(body: JsonObject, event_id: int) -> Response:
    """Upload offline scans. Uploading them again changes nothing and returns the same results.

    A scan from before the check-in of its ticket was undone is `undone`: it checks nothing in.
    """
    scans = [
        check_ins.Scan(
            code=scan.get("code"), ticket_id=scan.get("ticketId"), scanned_at=scan["scannedAt"]
        )
        for scan in body["scans"]
    ]
    return json_response({"results": open_check_in(event_id).upload_scans(scans, utc_now())})
