"""Make, pair, list and end the tokens of door devices.

The token of a device is an API token with the scope `check-in` for one event. Whoever makes the
device owns the token, and passes on a code, which the device exchanges for the secret.

A device has one document from the moment it is made. Before it is paired, the document has the hash
of a secret that nobody has. One write removes the code and sets the hash of a new secret. So of
several callers with one code one gets a secret, and whoever is paired again loses the earlier one.

As in `api_tokens`, no device is left over that its maker could not make any more: it is stored
first, and the maker's session is read second. A reset of the password and a change of the role
write the sessions before the tokens, so one of both requests sees the other.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from bson import ObjectId

from eventapp.accounts import sessions, store_device_tokens
from eventapp.accounts.api_token_types import DeviceToken, StoredApiToken
from eventapp.accounts.errors import SessionEnded
from eventapp.core.access.actions import CHECK_IN
from eventapp.core.access.api_tokens import (
    get_shown_prefix,
    hash_secret,
    is_pairing_code,
    make_pairing_code,
    make_secret,
)
from eventapp.core.database import Db
from eventapp.core.errors import Forbidden
from eventapp.core.json import JsonObject

CODE_LIFETIME = timedelta(minutes=15)


@dataclass(frozen=True)
class DeviceMaker:
    """The user who makes a device, as the request has identified them.

    Attributes:
        session_id: the session of the request.
    """

    user_id: ObjectId
    role: str
    session_id: ObjectId


def create_device(
    db: Db, event_id: int, name: str, maker: DeviceMaker, now: datetime
) -> tuple[str, ObjectId]:
    """Store a device of an event.

    Returns:
        The pairing code, which is not stored, and the id of the device.

    Raises:
        SessionEnded, Forbidden: the maker's session has ended, or the maker has another role, since
            the request began. Nothing is left of the device.
    """
    code, secret = make_pairing_code(), make_secret()
    token: StoredApiToken = {
        "_id": ObjectId(),
        "userId": maker.user_id,
        "role": maker.role,
        "name": name,
        "secretHash": hash_secret(secret),
        "prefix": get_shown_prefix(secret),
        "scopes": [CHECK_IN],
        "eventIds": [event_id],
        "deviceEventId": event_id,
        "createdAt": now,
        "codeHash": hash_secret(code),
        "codeExpiresAt": now + CODE_LIFETIME,
    }
    store_device_tokens.insert(db, token)
    # The order of this write and this read upholds the invariant of the module.
    session = sessions.find_active_session(db, maker.session_id, now)
    if session is None or session["role"] != maker.role:
        end_devices(db, event_id, [token["_id"]])
        raise Forbidden if session else SessionEnded
    return code, token["_id"]


def renew_code(db: Db, event_id: int, device_id: ObjectId, now: datetime) -> str | None:
    """Give a device another pairing code, which voids the one before.

    The secret of the device stays valid until the code is used.

    Returns:
        The code; None if the event has no such device.
    """
    code = make_pairing_code()
    is_set = store_device_tokens.set_code(
        db, event_id, device_id, hash_secret(code), now + CODE_LIFETIME
    )
    return code if is_set else None


def pair(db: Db, code: str, now: datetime) -> tuple[str, DeviceToken] | None:
    """Exchange a pairing code for the secret of its device.

    Returns:
        The secret, which is not stored, and the device. None if the code is unknown, used, void or
        expired.
    """
    if not is_pairing_code(code):
        return None
    secret = make_secret()
    device = store_device_tokens.exchange_code(
        db,
        hash_secret(code),
        secret_hash=hash_secret(secret),
        prefix=get_shown_prefix(secret),
        now=now,
    )
    return (secret, device) if device else None


def list_devices(db: Db, event_id: int) -> list[DeviceToken]:
    """Return the devices of an event, newest first, without their secrets and codes."""
    return store_device_tokens.find_by_event(db, event_id)


def find_name(db: Db, token_id: ObjectId) -> str | None:
    """Return the name of an API token or a device; None if it has ended."""
    return store_device_tokens.find_name(db, token_id)


def find_event_ids(db: Db, after: int, limit: int) -> list[int]:
    """Return ids of events with devices, in order: see `store_device_tokens.find_event_ids`."""
    return store_device_tokens.find_event_ids(db, after, limit)


def end_devices(db: Db, event_id: int, device_ids: list[ObjectId]) -> int:
    """End devices of an event at once, with their codes; return how many of them there were."""
    return store_device_tokens.delete(db, event_id, device_ids)


def export_user(db: Db, user_id: ObjectId) -> JsonObject:
    """Return the devices that a user has made, without their secrets and codes, as `devices`."""
    devices = store_device_tokens.find_by_user(db, user_id)
    return {"devices": [_export_device(device) for device in devices]}


def _export_device(device: DeviceToken) -> JsonObject:
    return {
        "deviceId": device["_id"],
        "eventId": device["deviceEventId"],
        "name": device["name"],
        "createdAt": device["createdAt"],
        "pairedAt": device.get("pairedAt"),
        "lastUsedAt": device.get("lastUsedAt"),
    }
