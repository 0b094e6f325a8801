"""Queries on the `loginMarks` collection: failed password attempts and trusted addresses."""

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from typing import cast

from pymongo import ReturnDocument, UpdateOne
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from eventapp.accounts.types import StoredLoginRecord
from eventapp.core.database import Db, Query


def _records(db: Db) -> Collection[StoredLoginRecord]:
    return cast(Collection[StoredLoginRecord], db.loginMarks)


def find_records(db: Db, ids: Iterable[str]) -> dict[str, StoredLoginRecord]:
    """Return the records with these ids, by id. Ids without a record are left out."""
    return {record["_id"]: record for record in _records(db).find({"_id": {"$in": list(ids)}})}


def count_failure(db: Db, counter_id: str, *, now: datetime, expires_at: datetime) -> int:
    """Add one failure to a counter, which is created if it does not exist.

    Returns:
        The number of failures, this one included.
    """
    # This is not an upsert: if several callers create a counter at the same time, some servers
    # return 1 to each of them.
    change = {"$inc": {"failures": 1}, "$set": {"lastAt": now, "expiresAt": expires_at}}
    failures = _increment(db, counter_id, change)
    if failures is None:
        with suppress(DuplicateKeyError):  # Another caller has created it.
            _records(db).insert_one({"_id": counter_id, "failures": 0, "expiresAt": expires_at})
        failures = _increment(db, counter_id, change)
    return failures or 1


def _increment(db: Db, counter_id: str, change: Query) -> int | None:
    record = _records(db).find_one_and_update(
        {"_id": counter_id}, change, return_document=ReturnDocument.AFTER
    )
    return record["failures"] if record else None


def record_success(
    db: Db, *, cleared_id: str, lowered_ids: Iterable[str], trusted_id: str, trusted_until: datetime
) -> None:
    """Reset a counter, take one failure from others, and trust an address, in one call.

    Args:
        cleared_id: the id of the counter that is set to 0.
        lowered_ids: the ids of the counters that get one failure less.
        trusted_id: the id of the trusted address, which is created if it does not exist.
    """
    _records(db).bulk_write(
        [
            UpdateOne({"_id": cleared_id}, {"$set": {"failures": 0}}),
            *(
                UpdateOne({"_id": counter_id}, {"$inc": {"failures": -1}})
                for counter_id in lowered_ids
            ),
            UpdateOne({"_id": trusted_id}, {"$set": {"expiresAt": trusted_until}}, upsert=True),
        ],
        ordered=False,
    )
