"""Queries on the `erasures` collection: the erasures of accounts that are not finished.

A document is there from the moment before the account is deleted until all that was stored about
the person is removed.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from bson import ObjectId
from pymongo import ASCENDING
from pymongo.collection import Collection

from eventapp.accounts.types import Erasure
from eventapp.core.database import Db, delete_document, exclude_ids


def _erasures(db: Db) -> Collection[Erasure]:
    return cast(Collection[Erasure], db.erasures)


def start(db: Db, user_id: ObjectId, now: datetime) -> None:
    """Record that the account is being erased."""
    _erasures(db).update_one({"_id": user_id}, {"$setOnInsert": {"startedAt": now}}, upsert=True)


def is_started(db: Db, user_id: ObjectId) -> bool:
    """Return whether the erasure of the account has begun and is not finished."""
    return _erasures(db).find_one({"_id": user_id}) is not None


def find_started_before(
    db: Db, moment: datetime, limit: int, without: Sequence[object] = ()
) -> list[ObjectId]:
    """Return the accounts whose erasure began before this moment, the oldest first.

    Args:
        without: account ids to leave out.
    """
    where = {"startedAt": {"$lt": moment}, **exclude_ids(without)}
    found = _erasures(db).find(where).sort("startedAt", ASCENDING).limit(limit)
    return [erasure["_id"] for erasure in found]


def finish(db: Db, user_id: ObjectId) -> None:
    """Record that nothing of the person is left."""
    delete_document(_erasures(db), {"_id": user_id})
