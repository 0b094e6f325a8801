"""Queries on `users` that reset a password, and that finish resets and changes of passwords."""

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from bson import ObjectId
from pymongo import ASCENDING, ReturnDocument
from pymongo.collection import Collection

from eventapp.accounts.store import NEXT_CREDENTIALS
from eventapp.accounts.types import StoredUser, UnfinishedReset
from eventapp.core.database import Db, exclude_ids


def _users(db: Db) -> Collection[StoredUser]:
    return cast(Collection[StoredUser], db.users)


def reset_password(
    db: Db, user_id: ObjectId, email_key: str, password_hash: str, reset: UnfinishedReset
) -> StoredUser | None:
    """Set the password hash of an account, drop its pending email, record the reset as unfinished.

    Args:
        email_key: the key of the address that the token was mailed to.

    Returns:
        The account after the write. None, with nothing written, if it has another email, or was
        deleted.
    """
    change = {
        "passwordHash": password_hash,
        "updatedAt": reset["startedAt"],
        "unfinishedReset": reset,
    }
    return _users(db).find_one_and_update(
        {"_id": user_id, "emailKey": email_key},
        {
            "$set": change,
            "$unset": {"emailChanges.pending": ""},
            "$inc": {"emailChanges.revision": 1, **NEXT_CREDENTIALS},
        },
        return_document=ReturnDocument.AFTER,
    )


def find_unfinished(
    db: Db, moment: datetime, limit: int, without: Sequence[object] = ()
) -> list[StoredUser]:
    """Return the accounts with an unfinished reset from before this moment, the oldest first.

    Args:
        without: ids of accounts to leave out.
    """
    where = {"unfinishedReset.startedAt": {"$lt": moment}, **exclude_ids(without)}
    found = _users(db).find(where).sort("unfinishedReset.startedAt", ASCENDING)
    return list(found.limit(limit))


def find_unfinished_changes(
    db: Db, moment: datetime, limit: int, without: Sequence[object] = ()
) -> list[StoredUser]:
    """Return the accounts with an unfinished change from before this moment, the oldest first.

    Args:
        without: ids of accounts to leave out.
    """
    where = {"unfinishedChange.startedAt": {"$lt": moment}, **exclude_ids(without)}
    found = _users(db).find(where).sort("unfinishedChange.startedAt", ASCENDING)
    return list(found.limit(limit))


def finish_change(db: Db, user_id: ObjectId, change_id: ObjectId) -> None:
    """Remove the record of an unfinished change, unless another change has replaced it."""
    _users(db).update_one(
        {"_id": user_id, "unfinishedChange.changeId": change_id},
        {"$unset": {"unfinishedChange": ""}},
    )


def finish_reset(db: Db, user_id: ObjectId, reset_id: ObjectId) -> None:
    """Remove the record of an unfinished reset, unless another reset has replaced it."""
    _users(db).update_one(
        {"_id": user_id, "unfinishedReset.resetId": reset_id}, {"$unset": {"unfinishedReset": ""}}
    )
