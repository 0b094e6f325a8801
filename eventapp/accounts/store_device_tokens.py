"""Queries on the tokens of door devices, which are documents of the `apiTokens` collection."""

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from bson import ObjectId
from pymongo import ReturnDocument
from pymongo.collection import Collection

from eventapp.accounts.api_token_types import DeviceToken, StoredApiToken
from eventapp.core.database import Db, Query

_DEVICE_FIELDS = {
    **{"userId": 1, "role": 1, "name": 1, "prefix": 1, "createdAt": 1},
    **{"deviceEventId": 1, "pairedAt": 1, "lastUsedAt": 1},
}


def _devices(db: Db) -> Collection[DeviceToken]:
    """Return the collection typed as _DEVICE_FIELDS projects it."""
    return cast(Collection[DeviceToken], db.apiTokens)


def insert(db: Db, token: StoredApiToken) -> None:
    """Add a device."""
    cast(Collection[StoredApiToken], db.apiTokens).insert_one(token)


def find_by_event(db: Db, event_id: int) -> list[DeviceToken]:
    """Return the devices of an event, newest first."""
    found = _devices(db).find({"deviceEventId": event_id}, _DEVICE_FIELDS)
    return list(found.sort("_id", -1))


def find_by_user(db: Db, user_id: ObjectId) -> list[DeviceToken]:
    """Return the devices that a user has made, newest first."""
    where = {"userId": user_id, "deviceEventId": {"$exists": True}}
    return list(_devices(db).find(where, _DEVICE_FIELDS).sort("_id", -1))


def find_name(db: Db, token_id: ObjectId) -> str | None:
    """Return the name of an API token or a device; None if it has ended."""
    found = _devices(db).find_one({"_id": token_id}, {"name": 1})
    return found["name"] if found else None


def find_event_ids(db: Db, after: int, limit: int) -> list[int]:
    """Return the ids of events with devices, in order.

    Args:
        after: the last eventId of the previous call; 0 for the first.
        limit: how many devices are looked at.
    """
    found = _devices(db).find({"deviceEventId": {"$gt": after}}, {"deviceEventId": 1})
    ids = (device["deviceEventId"] for device in found.sort("deviceEventId", 1).limit(limit))
    return list(dict.fromkeys(ids))


def set_code(
    db: Db, event_id: int, device_id: ObjectId, code_hash: str, expires_at: datetime
) -> bool:
    """Set the pairing code of a device, in place of an earlier one.

    Returns:
        False, with nothing written, if the event has no such device.
    """
    where = {"_id": device_id, "deviceEventId": event_id}
    change = {"$set": {"codeHash": code_hash, "codeExpiresAt": expires_at}}
    return _devices(db).update_one(where, change).matched_count == 1


def exchange_code(
    db: Db, code_hash: str, *, secret_hash: str, prefix: str, now: datetime
) -> DeviceToken | None:
    """Use up a pairing code and set the secret of its device, in one write.

    Returns:
        The device after the write. None, with nothing written, if the code is unknown, used, void
        or expired.
    """
    where: Query = {"codeHash": code_hash, "codeExpiresAt": {"$gt": now}}
    change: Query = {
        "$set": {"secretHash": secret_hash, "prefix": prefix, "pairedAt": now},
        "$unset": {"codeHash": "", "codeExpiresAt": ""},
    }
    return _devices(db).find_one_and_update(
        where, change, projection=_DEVICE_FIELDS, return_document=ReturnDocument.AFTER
    )


def delete(db: Db, event_id: int, device_ids: Sequence[ObjectId]) -> int:
    """Delete those of these devices that are of this event, and return how many there were."""
    where = {"_id": {"$in": list(device_ids)}, "deviceEventId": event_id}
    return _devices(db).delete_many(where).deleted_count
