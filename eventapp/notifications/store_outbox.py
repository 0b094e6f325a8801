"""Queries on the `mails` collection: mails that wait, are being sent, or are finished.

A mail has a `nextTryAt` until it is finished. A process claims a due mail in one guarded write,
which moves `nextTryAt` forward by the time that sending may take. So no other process sends the
mail at the same time, but another one sends it later if the first process dies.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument
from pymongo.collection import Collection

from eventapp.core.database import Db, exclude_ids
from eventapp.notifications.store import build_key_filter, insert_missing
from eventapp.notifications.types import DueMail, FailedMail, MailOutcome, MailStatus, QueuedMail

RETENTION_SECONDS = 30 * 86400
INDEXES = {
    "mails": [
        IndexModel([("key", ASCENDING)], name="key", unique=True),
        IndexModel([("nextTryAt", ASCENDING)], name="due", sparse=True),
        IndexModel([("status", ASCENDING), ("doneAt", DESCENDING)], name="status"),
        IndexModel([("userId", ASCENDING)], name="user"),
        IndexModel([("doneAt", ASCENDING)], name="done", expireAfterSeconds=RETENTION_SECONDS),
    ]
}
FAILURE_FIELDS = {"kind": 1, "to": 1, "subject": 1, "lastError": 1, "attempts": 1, "doneAt": 1}


def _mails(db: Db) -> Collection[QueuedMail]:
    return cast(Collection[QueuedMail], db.mails)


def insert_mails(db: Db, mails: Sequence[QueuedMail]) -> int:
    """Insert the mails whose key is not stored yet, and return how many were inserted."""
    return insert_missing(_mails(db), mails)


def find_due(db: Db, now: datetime, limit: int, without: Sequence[object] = ()) -> list[DueMail]:
    """Return mails that may be claimed, the longest overdue first.

    Args:
        without: ids of mails to leave out.
    """
    where = {"nextTryAt": {"$lte": now}, **exclude_ids(without)}
    due = cast(Collection[DueMail], db.mails).find(where, {"nextTryAt": 1})
    return list(due.sort("nextTryAt", ASCENDING).limit(limit))


def claim(db: Db, mail: DueMail, claim_id: ObjectId, until: datetime) -> QueuedMail | None:
    """Claim a mail until this time.

    Returns:
        The mail. None, with nothing written, if another process has claimed it since it was read.
    """
    unchanged = {"_id": mail["_id"], "nextTryAt": mail["nextTryAt"]}
    fields = {"status": "sending", "claim": claim_id, "nextTryAt": until}
    claimed: QueuedMail | None = _mails(db).find_one_and_update(
        unchanged,
        {"$set": fields, "$inc": {"attempts": 1}},
        return_document=ReturnDocument.AFTER,
    )
    return claimed


def record_outcome(db: Db, mail: QueuedMail, outcome: MailOutcome) -> bool:
    """Store the outcome of a claimed mail and end the claim.

    The mail is finished unless the outcome has a `nextTryAt`. Of a finished mail, the sealed text
    is deleted.

    Returns:
        False, with nothing written, if the claim expired and another process has claimed the mail.
    """
    finished = {"nextTryAt": "", "sealed": ""}
    removed = {"claim": "", **({} if "nextTryAt" in outcome else finished)}
    claimed = {"_id": mail["_id"], "claim": mail["claim"]}
    update = {"$set": outcome, "$unset": removed}
    return _mails(db).update_one(claimed, update).modified_count == 1


def count_by_status(db: Db, statuses: Sequence[MailStatus]) -> dict[MailStatus, int]:
    """Return how many mails have each status."""
    return {status: _mails(db).count_documents({"status": status}) for status in statuses}


def find_status(db: Db, key: str) -> MailStatus | None:
    """Return the status of the mail with this key; None if it is not stored."""
    found = _mails(db).find_one({"key": key}, {"status": 1})
    return found["status"] if found else None


def count_keys(db: Db, prefix: str) -> int:
    """Return how many mails have a key that begins with this text."""
    return _mails(db).count_documents(build_key_filter(prefix))


def find_last_failures(db: Db, limit: int) -> list[FailedMail]:
    """Return the mails that were given up last, newest first."""
    failed = cast(Collection[FailedMail], db.mails).find({"status": "failed"}, FAILURE_FIELDS)
    return list(failed.sort("doneAt", DESCENDING).limit(limit))


def find_all(db: Db, user_id: ObjectId) -> list[QueuedMail]:
    """Return all mails to a user, newest first."""
    return list(_mails(db).find({"userId": user_id}).sort("_id", DESCENDING))


def forget_user(db: Db, user_id: ObjectId) -> None:
    """Delete all mails to a user."""
    _mails(db).delete_many({"userId": user_id})
