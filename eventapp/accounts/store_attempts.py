"""The `loginMarks` collection: failures counted, and addresses remembered, by opaque ids."""

from collections.abc import Iterable
from datetime import datetime

from pymongo import ReturnDocument, UpdateOne
from pymongo.errors import DuplicateKeyError

from eventapp.core.mongo import Db, Document


def marks(db: Db, ids: Iterable[str]) -> dict[str, Document]:
    """Those marks that are there, by id."""
    return {mark["_id"]: mark for mark in db.loginMarks.find({"_id": {"$in": list(ids)}})}


def count_failure(db: Db, mark_id: str, *, now: datetime, expires_at: datetime) -> Document | None:
    """Add one failure to a mark; the mark as it was before, None where it is new."""
    change = {"$inc": {"failures": 1}, "$set": {"lastAt": now, "expiresAt": expires_at}}
    try:
        return _count(db, mark_id, change)
    except DuplicateKeyError:  # two first failures at once: now the mark is there
        return _count(db, mark_id, change)


def _count(db: Db, mark_id: str, change: Document) -> Document | None:
    return db.loginMarks.find_one_and_update(
        {"_id": mark_id}, change, upsert=True, return_document=ReturnDocument.BEFORE
    )


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
