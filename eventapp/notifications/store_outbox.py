"""The mails collection: what is to be sent, is being sent, and what came of it.

`nextTryAt` is there until a mail is done with. Who sends it moves it on first, by as long as
sending may take: so nobody else takes it up before, and someone does where the sender died.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument

from eventapp.core.database import Db, Document
from eventapp.notifications.store import insert_new

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


def add(db: Db, mails: Sequence[Document]) -> int:
    """Insert those that are new; how many."""
    return insert_new(db.mails, mails)


def due(db: Db, now: datetime, limit: int) -> list[Document]:
    """`{_id, nextTryAt}` of the mails whose time has come, the longest due first."""
    where = {"nextTryAt": {"$lte": now}}
    found = db.mails.find(where, {"nextTryAt": 1}).sort("nextTryAt", ASCENDING)
    return list(found.limit(limit))


def claim(db: Db, mail: Document, claim_id: ObjectId, until: datetime) -> Document | None:
    """The whole mail, for the one caller who may send it until then; None for all others."""
    still = {"_id": mail["_id"], "nextTryAt": mail["nextTryAt"]}
    claimed = {"status": "sending", "claim": claim_id, "nextTryAt": until}
    found: Document | None = db.mails.find_one_and_update(
        still,
        {"$set": claimed, "$inc": {"attempts": 1}},
        return_document=ReturnDocument.AFTER,
    )
    return found


def settle(db: Db, mail: Document, fields: dict[str, Any]) -> bool:
    """Note what came of a claimed mail, done with unless `fields` says when it is tried again.

    False, with nothing written, where the claim lapsed and another has taken it up.
    """
    gone = {"claim": ""} if "nextTryAt" in fields else {"claim": "", "nextTryAt": ""}
    own = {"_id": mail["_id"], "claim": mail["claim"]}
    return db.mails.update_one(own, {"$set": fields, "$unset": gone}).modified_count == 1


def counts(db: Db, statuses: Sequence[str]) -> dict[str, int]:
    """How many there are of each."""
    return {status: db.mails.count_documents({"status": status}) for status in statuses}


def last_failures(db: Db, limit: int) -> list[Document]:
    """The mails last given up, newest first."""
    failed = db.mails.find({"status": "failed"}, FAILURE_FIELDS)
    return list(failed.sort("doneAt", DESCENDING).limit(limit))


def of_user(db: Db, user_id: ObjectId) -> list[Document]:
    return list(db.mails.find({"userId": user_id}).sort("_id", DESCENDING))


def forget_user(db: Db, user_id: ObjectId) -> None:
    db.mails.delete_many({"userId": user_id})
