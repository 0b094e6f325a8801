"""The collection `failedWork`: the items of due work whose last attempt failed."""

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument
from pymongo.collection import Collection

from eventapp.core.database import Db, Query, retry_on_write_conflict
from eventapp.due_work.types import FailedWork, ItemKey

# A record is deleted when its item has not been tried for so long: the work is done otherwise, or
# its kind does not exist any more.
RETENTION_SECONDS = 7 * 86400
INDEXES = {
    "failedWork": [
        IndexModel([("kind", ASCENDING), ("nextAttemptAt", DESCENDING)], name="kind"),
        IndexModel([("setAsideAt", DESCENDING)], name="set_aside"),
        IndexModel(
            [("nextAttemptAt", ASCENDING)], name="old", expireAfterSeconds=RETENTION_SECONDS
        ),
    ]
}


def _failed(db: Db) -> Collection[FailedWork]:
    return cast(Collection[FailedWork], db.failedWork)


def find_by_kind(db: Db, kind: str, limit: int) -> list[FailedWork]:
    """Return the failed items of a kind, those with the longest pause first."""
    found = _failed(db).find({"kind": kind}).sort("nextAttemptAt", DESCENDING)
    return list(found.limit(limit))


def find_by_keys(db: Db, kinds: Sequence[str], keys: Sequence[ItemKey]) -> list[FailedWork]:
    """Return the records of items of these kinds with these keys."""
    ids = [make_id(kind, key) for kind in kinds for key in keys]
    return list(_failed(db).find({"_id": {"$in": ids}}))


def count_failure(db: Db, kind: str, key: ItemKey, error: str, now: datetime) -> int:
    """Count a failed attempt, and return how many attempts have failed since the last success."""
    update: Query = {
        "$inc": {"attempts": 1},
        "$set": {"error": error, "lastFailedAt": now},
        "$setOnInsert": {
            "kind": kind,
            "key": key,
            "firstFailedAt": now,
            "nextAttemptAt": now,
            "setAsideAt": None,
        },
    }
    counted = retry_on_write_conflict(
        lambda: _failed(db).find_one_and_update(
            {"_id": make_id(kind, key)}, update, upsert=True, return_document=ReturnDocument.AFTER
        )
    )
    return cast(FailedWork, counted)["attempts"]


def set_next_attempt(
    db: Db, kind: str, key: ItemKey, next_attempt_at: datetime, set_aside_at: datetime | None
) -> None:
    """Leave a failed item alone until this time."""
    fields = {"nextAttemptAt": next_attempt_at, "setAsideAt": set_aside_at}
    db.failedWork.update_one({"_id": make_id(kind, key)}, {"$set": fields})


def delete(db: Db, kind: str, keys: Sequence[ItemKey]) -> None:
    """Delete the records of items that need no further attempt."""
    if keys:
        db.failedWork.delete_many({"_id": {"$in": [make_id(kind, key) for key in keys]}})


def retry_all(db: Db, now: datetime) -> int:
    """Let every failed item be tried again now; return how many there are."""
    return db.failedWork.update_many({}, {"$set": {"nextAttemptAt": now}}).matched_count


def count(db: Db, *, set_aside: bool) -> int:
    """Return how many failed items are set aside, or how many are not."""
    return db.failedWork.count_documents({"setAsideAt": {"$ne": None} if set_aside else None})


def count_kind(db: Db, kind: str, up_to: int) -> int:
    """Return how many items of a kind fail, but at most `up_to`."""
    return db.failedWork.count_documents({"kind": kind}, limit=up_to)


def find_last(db: Db, limit: int) -> list[FailedWork]:
    """Return failed items: first those set aside, the last one first."""
    newest = [("setAsideAt", DESCENDING), ("firstFailedAt", DESCENDING)]
    return list(_failed(db).find().sort(newest).limit(limit))


def make_id(kind: str, key: ItemKey) -> str:
    """Return the `_id` of the record of an item."""
    return f"{kind}:{key}"
