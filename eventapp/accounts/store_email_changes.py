"""Queries on `users` for pending addresses: whose mails are due, and whose time is over."""

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from bson import ObjectId
from pymongo import ASCENDING
from pymongo.collection import Collection

from eventapp.accounts.types import StoredUser
from eventapp.core.database import Db, exclude_ids

_NEXT_REVISION = {"emailChanges.revision": 1}


def _users(db: Db) -> Collection[StoredUser]:
    return cast(Collection[StoredUser], db.users)


def find_with_due_mails(db: Db, limit: int, without: Sequence[object] = ()) -> list[StoredUser]:
    """Return the accounts with a change whose mails are not stored yet, the oldest change first.

    Args:
        without: ids of accounts to leave out.
    """
    where = {"emailChanges.pending.mails.requestedAt": {"$type": "date"}, **exclude_ids(without)}
    found = _users(db).find(where).sort("emailChanges.pending.mails.requestedAt", ASCENDING)
    return list(found.limit(limit))


def finish_mails(db: Db, user_id: ObjectId, mails_id: ObjectId) -> bool:
    """Remove the tokens of mails that are stored in the outbox now.

    Returns:
        False, with nothing written, if they were replaced, or the account was deleted.
    """
    where = {"_id": user_id, "emailChanges.pending.mails.mailsId": mails_id}
    change = {"$unset": {"emailChanges.pending.mails": ""}, "$inc": _NEXT_REVISION}
    return _users(db).update_one(where, change).matched_count == 1


def drop_pending(db: Db, user_id: ObjectId, mails_id: ObjectId) -> None:
    """Remove the pending address of an account, unless its mails were replaced."""
    where = {"_id": user_id, "emailChanges.pending.mails.mailsId": mails_id}
    change = {"$unset": {"emailChanges.pending": ""}, "$inc": _NEXT_REVISION}
    _users(db).update_one(where, change)


def find_expired(
    db: Db, now: datetime, limit: int, without: Sequence[object] = ()
) -> list[StoredUser]:
    """Return the accounts with an address that is pending or can be put back no longer.

    Args:
        without: ids of accounts to leave out.
    """
    where = {"emailChanges.cleanUpAt": {"$lte": now}, **exclude_ids(without)}
    found = _users(db).find(where).sort("emailChanges.cleanUpAt", ASCENDING)
    return list(found.limit(limit))
