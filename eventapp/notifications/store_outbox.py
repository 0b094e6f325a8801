"""The `mails` collection: mails that wait, are being sent, or are finished.

A mail has a `nextTryAt` until it is finished. A process claims a due mail by moving `nextTryAt`
forward by the time that sending may take, in one guarded write. So no other process takes the
mail meanwhile, and another one takes it up where the sender died.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument
from pymongo.collection import Collection

from eventapp.core.database import Db
from eventapp.notifications.store import insert_missing
from eventapp.notifications.types import DueMail, FailedMail, MailOutcome, QueuedMail

KEPT_SECONDS = 30 * 86400
INDEXES = {
    "mails": [
        IndexModel([("key", ASCENDING)], name="key", unique=True),
        IndexModel([("nextTryAt", ASCENDING)], name="due", sparse=True),
        IndexModel([("status", ASCENDING), ("doneAt", DESCENDING)], name="status"),
        IndexModel([("userId", ASCENDING)], name="user"),
        IndexModel([("doneAt", ASCENDING)], name="done", expireAfterSeconds=KEPT_SECONDS),
    ]
}
FAILURE_FIELDS = {"kind": 1, "to": 1, "subject": 1, "lastError": 1, "attempts": 1, "doneAt": 1}


def _mails(db: Db) -> Collection[QueuedMail]:
    return cast(Collection[QueuedMail], db.mails)


def insert_mails(db: Db, mails: Sequence[QueuedMail]) -> int:
    """Insert the mails whose key is not stored yet; return how many were inserted."""
    return insert_missing(_mails(db), mails)


def find_due(db: Db, now: datetime, limit: int) -> list[DueMail]:
    """Return the mails that may be claimed, the one that is due longest first."""
    where = {"nextTryAt": {"$lte": now}}
    found = db.mails.find(where, {"nextTryAt": 1}).sort("nextTryAt", ASCENDING)
    return cast(list[DueMail], list(found.limit(limit)))


def claim(db: Db, mail: DueMail, claim_id: ObjectId, until: datetime) -> QueuedMail | None:
    """Claim a mail until this time; return it, or None if it was claimed since it was read."""
    as_read = {"_id": mail["_id"], "nextTryAt": mail["nextTryAt"]}
    fields = {"status": "sending", "claim": claim_id, "nextTryAt": until}
    claimed: QueuedMail | None = _mails(db).find_one_and_update(
        as_read,
        {"$set": fields, "$inc": {"attempts": 1}},
        return_document=ReturnDocument.AFTER,
    )
    return claimed


def record_outcome(db: Db, mail: QueuedMail, outcome: MailOutcome) -> bool:
    """Store the outcome of a claimed mail and end the claim.

    The mail is finished unless the outcome has a `nextTryAt`.

    Returns:
        False, with nothing written, if the claim lapsed and another process took the mail.
    """
    removed = {"claim": ""} if "nextTryAt" in outcome else {"claim": "", "nextTryAt": ""}
    claimed = {"_id": mail["_id"], "claim": mail["claim"]}
    update = {"$set": outcome, "$unset": removed}
    return db.mails.update_one(claimed, update).modified_count == 1


def count_by_status(db: Db, statuses: Sequence[str]) -> dict[str, int]:
    """Return how many mails have each status."""
    return {status: db.mails.count_documents({"status": status}) for status in statuses}


def find_last_failures(db: Db, limit: int) -> list[FailedMail]:
    """Return the mails that were given up last, newest first."""
    failed = db.mails.find({"status": "failed"}, FAILURE_FIELDS)
    return cast(list[FailedMail], list(failed.sort("doneAt", DESCENDING).limit(limit)))


def find_all(db: Db, user_id: ObjectId) -> list[QueuedMail]:
    """Return all mails to a user, newest first."""
    return list(_mails(db).find({"userId": user_id}).sort("_id", DESCENDING))


def forget_user(db: Db, user_id: ObjectId) -> None:
    """Delete all mails to a user."""
    db.mails.delete_many({"userId": user_id})
