"""Make, pair, list and end the door devices of an event.

A device ends ENDS_AFTER after its event, when the event is deleted, and as soon as whoever made it
may not manage the event any more. All of this is read from the event whenever the token of the
device is used. So nothing has to be written when the schedule or the organizer changes. A job
deletes the devices that have ended.
"""

import base64
from datetime import datetime, timedelta

from bson import ObjectId

from eventapp.accounts import device_tokens
from eventapp.accounts.api_token_types import ActiveApiToken, DeviceToken
from eventapp.accounts.device_tokens import CODE_LIFETIME, DeviceMaker
from eventapp.core.access.actions import MANAGE_DEVICES
from eventapp.core.access.actor import Actor
from eventapp.core.access.teams import Teams
from eventapp.core.database import Db
from eventapp.core.errors import Unauthorized
from eventapp.devices.errors import (
    DeviceNotFound,
    EventEnded,
    PairingCodeInvalid,
    TooManyDevices,
)
from eventapp.devices.types import DeviceLink, DeviceView, PairedDevice
from eventapp.events import service as events
from eventapp.events.types import Event
from eventapp.organizers import service as organizers
from eventapp.tickets import service as tickets

# The page where a device is paired. The code is in the fragment, which no server receives.
DOOR_PAGE = "/door"
ENDS_AFTER = timedelta(hours=48)
# The refusals of pairing that may be guesses of a code.
PAIRING_REFUSALS = (PairingCodeInvalid,)
# The most devices of one event.
MAX_DEVICES = 50
# The most devices at which one query of `end_devices` looks.
BATCH_SIZE = 500


def create_device(
    db: Db, event_id: int, name: str, actor: Actor, base_url: str, now: datetime
) -> DeviceLink:
    """Make a device of the caller's event.

    Args:
        actor: the caller, who has a session.
        base_url: the start of the link.

    Raises:
        EventNotFound, Forbidden, EventEnded, TooManyDevices: there is no new device.
        Unauthorized: the session has ended meanwhile.
    """
    event = events.get_managed(db, event_id, actor)
    if _compute_end(event) <= now:
        raise EventEnded
    if actor.session_id is None:
        raise Unauthorized
    maker = DeviceMaker(actor.require_user_id(), actor.role, actor.session_id)
    code, device_id = device_tokens.create_device(db, event_id, name, maker, now)
    # Counted after the insert, so that callers at once do not exceed the limit together.
    if len(device_tokens.list_devices(db, event_id)) > MAX_DEVICES:
        device_tokens.end_devices(db, event_id, [device_id])
        raise TooManyDevices
    return _make_link(device_id, code, base_url, now)


def renew_link(
    db: Db, event_id: int, device_id: ObjectId, actor: Actor, base_url: str, now: datetime
) -> DeviceLink:
    """Make another link for a device of the caller's event; the link before becomes void.

    Raises:
        EventNotFound, Forbidden, DeviceNotFound: the links are as before.
    """
    events.get_managed(db, event_id, actor)
    code = device_tokens.renew_code(db, event_id, device_id, now)
    if code is None:
        raise DeviceNotFound
    return _make_link(device_id, code, base_url, now)


def _make_link(device_id: ObjectId, code: str, base_url: str, now: datetime) -> DeviceLink:
    link = f"{base_url.rstrip('/')}{DOOR_PAGE}#{code}"
    picture = base64.b64encode(tickets.draw_qr_code(link, "png")).decode()
    return {
        "deviceId": device_id,
        "link": link,
        "qr": f"data:image/png;base64,{picture}",
        "expiresAt": now + CODE_LIFETIME,
    }


def list_devices(db: Db, event_id: int, actor: Actor, now: datetime) -> list[DeviceView]:
    """Return the devices of the caller's event that have not ended, newest first.

    Raises:
        EventNotFound, Forbidden: there is no such event, or it is not the caller's.
    """
    event = events.get_managed(db, event_id, actor)
    return [
        _render_device(device, event)
        for device in device_tokens.list_devices(db, event_id)
        if _is_in_use(db, device, event, now)
    ]


def _render_device(device: DeviceToken, event: Event) -> DeviceView:
    return {
        "deviceId": device["_id"],
        "name": device["name"],
        "prefix": device["prefix"] if "pairedAt" in device else None,
        "createdAt": device["createdAt"],
        "pairedAt": device.get("pairedAt"),
        "expiresAt": _compute_end(event),
        "lastUsedAt": device.get("lastUsedAt"),
    }


def end_device(db: Db, event_id: int, device_id: ObjectId, actor: Actor) -> None:
    """End a device of the caller's event, in every process.

    Raises:
        EventNotFound, Forbidden, DeviceNotFound: nothing has ended.
    """
    events.get_managed(db, event_id, actor)
    if not device_tokens.end_devices(db, event_id, [device_id]):
        raise DeviceNotFound


def pair_device(db: Db, code: str, now: datetime) -> PairedDevice:
    """Exchange the code of a link for the secret of its device.

    Raises:
        PairingCodeInvalid: the code is unknown, used, void or expired, or its device has ended.
    """
    paired = device_tokens.pair(db, code, now)
    if paired is None:
        raise PairingCodeInvalid
    secret, device = paired
    event = _find_event(db, device["deviceEventId"])
    if event is None or not _is_in_use(db, device, event, now):
        raise PairingCodeInvalid
    return {
        "secret": secret,
        "deviceId": device["_id"],
        "name": device["name"],
        "eventId": event["eventId"],
        "eventTitle": event["title"],
        "expiresAt": _compute_end(event),
    }


def is_in_use(db: Db, token: ActiveApiToken, now: datetime) -> bool:
    """Return whether the device with this token may still check in at its event."""
    event = _find_event(db, token["deviceEventId"])
    return event is not None and _is_in_use(db, token, event, now)


def _find_event(db: Db, event_id: int) -> Event | None:
    try:
        return events.get_event(db, event_id)
    except events.EventNotFound:
        return None


def _is_in_use(db: Db, device: DeviceToken | ActiveApiToken, event: Event, now: datetime) -> bool:
    teams = Teams(lambda: organizers.read_memberships(db, device["userId"]))
    maker = Actor(device["userId"], device["role"], action=MANAGE_DEVICES, teams=teams)
    is_managed = maker.may_manage_event(event["eventId"], event["organizerId"])
    return is_managed and now < _compute_end(event)


def _compute_end(event: Event) -> datetime:
    """Return when the devices of an event end."""
    return event["overAt"] + ENDS_AFTER


def delete_ended(db: Db, now: datetime) -> int:
    """Delete the devices that have ended, and return how many there were."""
    ended, last = 0, 0
    while event_ids := device_tokens.find_event_ids(db, last, BATCH_SIZE):
        last = event_ids[-1]
        found = {event["eventId"]: event for event in events.find_events(db, event_ids)}
        for event_id in event_ids:
            event = found.get(event_id)
            ids = [
                device["_id"]
                for device in device_tokens.list_devices(db, event_id)
                if event is None or not _is_in_use(db, device, event, now)
            ]
            ended += device_tokens.end_devices(db, event_id, ids)
    return ended
