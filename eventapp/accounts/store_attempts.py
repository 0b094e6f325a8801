"""The `loginMarks` collection: failures counted, and addresses remembered, by opaque ids."""

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime

from pymongo import ReturnDocument, UpdateOne
from pymongo.errors import DuplicateKeyError

from eventapp.core.database import Db, Document


def marks(db: Db, ids: Iterable[str]) -> dict[str, Document]:
    """Those marks that are there, by id."""
    return {mark["_id"]: mark for mark in db.loginMarks.find({"_id": {"$in": list(ids)}})}


def count_failure(db: Db, mark_id: str, *, now: datetime, expires_at: datetime) -> int:
    """Add one failure to a mark, made where there is none; how many it has now."""
    # Not by an upsert: of several at once that make it, the engine tells each it is the first.
    change = {"$inc": {"failures": 1}, "$set": {"lastAt": now, "expiresAt": expires_at}}
    failures = _count(db, mark_id, change)
    if failures is None:
        with suppress(DuplicateKeyError):  # then another has made it
            db.loginMarks.insert_one({"_id": mark_id, "failures": 0, "expiresAt": expires_at})
        failures = _count(db, mark_id, change)
    return failures or 1


def _count(db: Db, mark_id: str, change: Document) -> int | None:
    mark = db.loginMarks.find_one_and_update(
        {"_id": mark_id}, change, return_document=ReturnDocument.AFTER
    )
    return int(mark["failures"]) if mark else None


def settle(
    db: Db, *, cleared: str, lowered: Iterable[str], known: str, known_until: datetime
) -> None:
    """After a success: one mark back to none, others less one, and an address remembered."""
    db.loginMarks.bulk_write(
        [
            UpdateOne({"_id": cleared}, {"$set": {"failures": 0}}),
            *(UpdateOne({"_id": mark_id}, {"$inc": {"failures": -1}}) for mark_id in lowered),
            UpdateOne({"_id": known}, {"$set": {"expiresAt": known_until}}, upsert=True),
        ],
        ordered=False,
    )
