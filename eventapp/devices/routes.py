"""Routes to make, pair, list and end the door devices of an event."""

from bson import ObjectId
from flask import Response

from eventapp.core.access.permissions import anonymous, current_actor, role_required
from eventapp.core.access.rate_limits import limit_guesses
from eventapp.core.clock import utc_now
from eventapp.core.database import get_db
from eventapp.core.http.app_context import get_image_base_url
from eventapp.core.http.blueprint import Blueprint
from eventapp.core.http.fields import Message
from eventapp.core.http.openapi import LOCATION_HEADER
from eventapp.core.http.responses import created_response, json_response
from eventapp.core.json import JsonObject
from eventapp.core.roles import ORGANIZER
from eventapp.devices import service
from eventapp.devices.schemas import (
    DeviceBody,
    DeviceLinkAnswer,
    DevicesAnswer,
    PairedAnswer,
    PairingBody,
)

bp = Blueprint("devices", __name__, url_prefix="/api/events", description="Tickets")
pairing_bp = Blueprint("device_pairing", __name__, url_prefix="/api/devices", description="Tickets")
BLUEPRINTS = (bp, pairing_bp)


@bp.route("/<whole:event_id>/devices", methods=["POST"])
@role_required(ORGANIZER)
@bp.arguments(DeviceBody)
@bp.response(201, DeviceLinkAnswer, headers=LOCATION_HEADER)
@bp.response_link(
    201,
    "devices_renew_link",
    event_id="$request.path.event_id",
    device_id="$response.body#/deviceId",
)
@bp.error_responses(404, 409)
def create_device(body: JsonObject, event_id: int) -> Response:
    """Make a door device, which checks tickets in at this event and can do nothing else.

    The answer is the only one that holds the link. Whoever opens it on the device pairs the device,
    once and within 15 minutes. The device ends 48 hours after the event, when its maker may not
    manage the event any more, and when the maker resets the password.
    """
    link = service.create_device(
        get_db(), event_id, body["name"], current_actor(), get_image_base_url(), utc_now()
    )
    location = f"/api/events/{event_id}/devices/{link['deviceId']}"
    return created_response({"message": "Device created", **link}, location)


@bp.route("/<whole:event_id>/devices/<oid:device_id>/link", methods=["POST"])
@role_required(ORGANIZER)
@bp.response(200, DeviceLinkAnswer)
@bp.error_responses(404)
def renew_link(event_id: int, device_id: ObjectId) -> Response:
    """Make another link for a device. The link before is not valid any more.

    A device that is paired already stays so until the new link is used; then the new one takes its
    place.
    """
    link = service.renew_link(
        get_db(), event_id, device_id, current_actor(), get_image_base_url(), utc_now()
    )
    return json_response({"message": "Link created", **link})


@bp.route("/<whole:event_id>/devices")
@role_required(ORGANIZER)
@bp.response(200, DevicesAnswer)
@bp.error_responses(404)
def list_devices(event_id: int) -> Response:
    """List the devices of an event, newest first; at most 50. `lastUsedAt` is to 5 minutes."""
    devices = service.list_devices(get_db(), event_id, current_actor(), utc_now())
    return json_response({"devices": devices})


@bp.route("/<whole:event_id>/devices/<oid:device_id>", methods=["DELETE"])
@role_required(ORGANIZER)
@bp.response(200, Message)
@bp.error_responses(404)
def end_device(event_id: int, device_id: ObjectId) -> Response:
    """End a device at once."""
    service.end_device(get_db(), event_id, device_id, current_actor())
    return json_response({"message": "Device ended"})


@pairing_bp.route("/pair", methods=["POST"])
@anonymous
@pairing_bp.arguments(PairingBody)
@pairing_bp.response(200, PairedAnswer)
def pair_device(body: JsonObject) -> Response:
    """Exchange the code of a link for the secret of a device, once.

    The device sends the secret as `Authorization: Bearer evt_...`. It may check in, upload scans
    and get the list of tickets at its event. Whatever else it asks for is 403 `scope_missing`.
    """
    with limit_guesses(service.PAIRING_REFUSALS):
        paired = service.pair_device(get_db(), body["code"], utc_now())
    return json_response({"message": "Device paired", **paired})
