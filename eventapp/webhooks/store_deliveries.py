"""Queries on `webhookDeliveries`, and on `webhookSequences`, from which deliveries get numbers.

A delivery is stored once for each webhook and fact, by its unique `deliveryId`. It has a `dueAt`
while it is pending. Each attempt claims it by a guarded write, and records its outcome only as long
as the claim is its own.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument
from pymongo.collection import Collection

from eventapp.core.database import Db, Query, insert_unordered, retry_on_write_conflict
from eventapp.webhooks.types import LastAttempt, StoredDelivery

RETENTION_SECONDS = 30 * 86400
INDEXES = {
    "webhookDeliveries": [
        IndexModel([("deliveryId", ASCENDING)], name="delivery", unique=True),
        IndexModel([("webhookId", ASCENDING), ("_id", DESCENDING)], name="newest"),
        IndexModel(
            [("webhookId", ASCENDING), ("dueAt", ASCENDING), ("_id", ASCENDING)],
            name="due",
            partialFilterExpression={"dueAt": {"$exists": True}},
        ),
        IndexModel([("holderId", ASCENDING)], name="holder", sparse=True),
        IndexModel([("createdAt", ASCENDING)], name="old", expireAfterSeconds=RETENTION_SECONDS),
    ],
    "webhookSequences": [IndexModel([("webhookId", ASCENDING)], name="webhook")],
}


def _deliveries(db: Db) -> Collection[StoredDelivery]:
    return cast(Collection[StoredDelivery], db.webhookDeliveries)


def find_existing(db: Db, delivery_ids: Sequence[str]) -> set[str]:
    """Return those of these delivery ids that are stored."""
    where = {"deliveryId": {"$in": list(delivery_ids)}}
    return {each["deliveryId"] for each in _deliveries(db).find(where, {"deliveryId": 1})}


def take_numbers(db: Db, webhook_id: ObjectId, event_id: int, count: int) -> int:
    """Take this many numbers of the sequence of a webhook and an event; return the lowest.

    Nobody else gets them. They are higher than all that were taken before.
    """
    where = {"_id": f"{webhook_id}:{event_id}"}
    update = {"$inc": {"last": count}, "$setOnInsert": {"webhookId": webhook_id}}
    taken = retry_on_write_conflict(
        lambda: db.webhookSequences.find_one_and_update(
            where, update, upsert=True, return_document=ReturnDocument.AFTER
        )
    )
    last: int = cast(dict[str, int], taken)["last"]
    return last - count + 1


def insert(db: Db, deliveries: Sequence[StoredDelivery]) -> int:
    """Insert the deliveries that are not stored yet, and return how many were inserted.

    Raises:
        AutoReconnect: it is unknown whether all are stored.
    """
    return sum(insert_unordered(_deliveries(db), deliveries))


# Lists.


def count(db: Db, webhook_id: ObjectId, *, up_to: int) -> int:
    """Return how many deliveries a webhook has, counted up to `up_to`."""
    return _deliveries(db).count_documents({"webhookId": webhook_id}, limit=up_to)


def find_page(
    db: Db, webhook_id: ObjectId, *, before: ObjectId | None, skip: int, limit: int
) -> list[StoredDelivery]:
    """Return deliveries of a webhook, newest first.

    Args:
        before: return only those with a lower id; None for all.
    """
    where: Query = {"webhookId": webhook_id}
    if before is not None:
        where["_id"] = {"$lt": before}
    found = _deliveries(db).find(where).sort("_id", DESCENDING)
    return list(found.skip(skip).limit(limit))


def find(db: Db, webhook_id: ObjectId, delivery_id: str) -> StoredDelivery | None:
    """Return a delivery of a webhook; None if there is none."""
    return _deliveries(db).find_one({"deliveryId": delivery_id, "webhookId": webhook_id})


def replay(db: Db, delivery: StoredDelivery, now: datetime) -> bool:
    """Make a delivery due now, as if it had never been tried.

    Returns:
        False, with nothing written, if it is gone, or personal data was removed from it.
    """
    where = {"_id": delivery["_id"], "erasedAt": {"$exists": False}}
    fields = {"status": "pending", "dueAt": now, "pauses": 0, "retriedSince": now}
    update = {"$set": fields, "$unset": {"claim": ""}}
    return _deliveries(db).update_one(where, update).matched_count == 1


# For the worker.


def find_next_due(db: Db, webhook_id: ObjectId, now: datetime) -> StoredDelivery | None:
    """Return the delivery of a webhook that is longest due; None if none is due.

    Of those that are due since the same time, as those of one batch of facts are, it is the first.
    """
    where = {"webhookId": webhook_id, "dueAt": {"$exists": True, "$lte": now}}
    return _deliveries(db).find_one(where, sort=[("dueAt", ASCENDING), ("_id", ASCENDING)])


def find_next_due_time(db: Db, webhook_id: ObjectId) -> datetime | None:
    """Return when the next delivery of a webhook is due; None if none is pending."""
    where = {"webhookId": webhook_id, "dueAt": {"$exists": True}}
    found = _deliveries(db).find_one(where, {"dueAt": 1}, sort=[("dueAt", ASCENDING)])
    return found["dueAt"] if found else None


def begin_attempt(
    db: Db, due: StoredDelivery, claim_id: ObjectId, now: datetime, until: datetime
) -> StoredDelivery | None:
    """Claim a due delivery for one attempt, and count the attempt.

    Args:
        until: when it is due again if the attempt records no outcome.

    Returns:
        The delivery. None, with nothing written, if it was changed since it was read.
    """
    fields: Query = {"claim": claim_id, "dueAt": until}
    if due["retriedSince"] is None:
        fields["retriedSince"] = now
    return _deliveries(db).find_one_and_update(
        {"_id": due["_id"], "dueAt": due["dueAt"]},
        {"$set": fields, "$inc": {"attempts": 1}},
        return_document=ReturnDocument.AFTER,
    )


def record_delivered(db: Db, claimed: StoredDelivery, attempt: LastAttempt) -> bool:
    """Record that an attempt has delivered; return whether the claim was still its own."""
    return _record(db, claimed, {"status": "delivered"}, attempt)


def record_failure(
    db: Db, claimed: StoredDelivery, attempt: LastAttempt, next_due_at: datetime | None
) -> bool:
    """Record that an attempt has failed; return whether the claim was still its own.

    Args:
        next_due_at: None if the delivery is given up.
    """
    fields: Query = {"pauses": claimed["pauses"] + 1}
    fields |= {"status": "failed"} if next_due_at is None else {"dueAt": next_due_at}
    return _record(db, claimed, fields, attempt)


def _record(db: Db, claimed: StoredDelivery, fields: Query, attempt: LastAttempt) -> bool:
    removed = {"claim": ""} if "dueAt" in fields else {"claim": "", "dueAt": ""}
    mine = {"_id": claimed["_id"], "claim": claimed["claim"]}
    present = {**mine, "erasedAt": {"$exists": False}}
    update = {"$set": {**fields, "lastAttempt": attempt}, "$unset": removed}
    if _deliveries(db).update_one(present, update).modified_count:
        return True
    # Personal data was removed during the attempt. The answer may repeat what was sent.
    update["$set"] = {**fields, "lastAttempt": {**attempt, "excerpt": b""}}
    return _deliveries(db).update_one(mine, update).modified_count == 1


def delete_of_webhook(db: Db, webhook_id: ObjectId) -> None:
    """Delete all deliveries and sequences of a webhook that was deleted."""
    _deliveries(db).delete_many({"webhookId": webhook_id})
    db.webhookSequences.delete_many({"webhookId": webhook_id})


def count_pending(db: Db, up_to: int) -> int:
    """Return how many deliveries are pending, counted up to `up_to`."""
    return _deliveries(db).count_documents({"dueAt": {"$exists": True}}, limit=up_to)


# Personal data.


def find_of_holder(db: Db, holder_id: ObjectId, limit: int) -> list[StoredDelivery]:
    """Return deliveries with personal data of this user."""
    return list(_deliveries(db).find({"holderId": holder_id}).limit(limit))


def erase(db: Db, delivery: StoredDelivery, body: bytes, now: datetime) -> None:
    """Replace the body of a delivery by one without personal data, and remove the last answer."""
    removed = {"$set": {"body": body, "erasedAt": now}, "$unset": {"holderId": ""}}
    _deliveries(db).update_one({"_id": delivery["_id"]}, removed)
    # From now on, no attempt records an answer: see `_record`.
    attempted = {"_id": delivery["_id"], "lastAttempt": {"$exists": True}}
    _deliveries(db).update_one(attempted, {"$set": {"lastAttempt.excerpt": b""}})
