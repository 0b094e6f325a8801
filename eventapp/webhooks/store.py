"""Queries on the `webhooks` collection.

Each webhook of an organizer has one of the organizer's slots. A unique index over both limits how
many there are, however many requests run at once.

A webhook has a `sendDueAt` while deliveries of it are pending. Whoever adds a delivery brings
`sendDueAt` forward and counts that in `wakeCount`. A worker claims a due webhook for a while, so
that only one of its deliveries is under way at a time. When its turn ends, the worker sets
`sendDueAt` to the time of the next delivery, unless `wakeCount` has changed since the claim: then
there may be a delivery that it has not seen, and the webhook is due at once.
"""

from collections.abc import Collection as Ids
from collections.abc import Sequence
from datetime import datetime
from typing import cast

from bson import ObjectId
from pymongo import ASCENDING, IndexModel, ReturnDocument
from pymongo.collection import Collection

from eventapp.core.database import Db, Query, delete_document, exclude_ids, try_insert_unordered
from eventapp.webhooks.types import DisabledBy, OldSecret, StoredWebhook

INDEXES = {
    "webhooks": [
        IndexModel([("ownerId", ASCENDING), ("slot", ASCENDING)], name="slots", unique=True),
        IndexModel([("sendDueAt", ASCENDING)], name="due", sparse=True),
        IndexModel([("ownerNoticeDue", ASCENDING)], name="notice", sparse=True),
        IndexModel([("tokenId", ASCENDING)], name="token", sparse=True),
    ]
}


def _webhooks(db: Db) -> Collection[StoredWebhook]:
    return cast(Collection[StoredWebhook], db.webhooks)


def insert(db: Db, webhook: StoredWebhook) -> bool | None:
    """Store a new webhook. It may be called again with the same one.

    Returns:
        False, with nothing written, if its slot is taken. None if it is unknown whether it is
        stored, or if others were storing at the same moment.
    """
    (is_stored,) = try_insert_unordered(_webhooks(db), [webhook])
    return is_stored


def find_taken_slots(db: Db, webhook: StoredWebhook) -> set[int]:
    """Return the slots that other webhooks of the same organizer have."""
    where: Query = {"ownerId": webhook["ownerId"], "_id": {"$ne": webhook["_id"]}}
    return {each["slot"] for each in _webhooks(db).find(where, {"slot": 1})}


def _build_owner_filter(owner_id: ObjectId, token_id: ObjectId | None) -> Query:
    return {"ownerId": owner_id} if token_id is None else {"ownerId": owner_id, "tokenId": token_id}


def find_of_owner(db: Db, owner_id: ObjectId, token_id: ObjectId | None) -> list[StoredWebhook]:
    """Return the webhooks of an organizer, oldest first.

    Args:
        token_id: return only those that this API token has made; None for all.
    """
    found = _webhooks(db).find(_build_owner_filter(owner_id, token_id))
    return list(found.sort("_id", ASCENDING))


def find(
    db: Db, webhook_id: ObjectId, owner_id: ObjectId, token_id: ObjectId | None
) -> StoredWebhook | None:
    """Return a webhook of an organizer; None if there is none. See `find_of_owner`."""
    where = {"_id": webhook_id, **_build_owner_filter(owner_id, token_id)}
    return _webhooks(db).find_one(where)


def change(
    db: Db, webhook_id: ObjectId, fields: Query, removed: Sequence[str] = ()
) -> StoredWebhook | None:
    """Set and remove fields of a webhook; return it after the write, None if there is none."""
    update: Query = {"$set": fields}
    if removed:
        update["$unset"] = dict.fromkeys(removed, "")
    return _webhooks(db).find_one_and_update(
        {"_id": webhook_id}, update, return_document=ReturnDocument.AFTER
    )


def replace_secret(
    db: Db, webhook: StoredWebhook, sealed: bytes, old: OldSecret, keep: int, now: datetime
) -> StoredWebhook | None:
    """Replace the secret of a webhook, which is kept among the old ones.

    Args:
        old: the present secret.
        keep: how many old secrets are kept, the newest.

    Returns:
        The webhook after the write. None, with nothing written, if it is gone, or its secret was
        replaced since it was read.
    """
    return _webhooks(db).find_one_and_update(
        {"_id": webhook["_id"], "sealedSecret": webhook["sealedSecret"]},
        {
            "$set": {"sealedSecret": sealed, "updatedAt": now},
            "$push": {"oldSecrets": {"$each": [old], "$slice": -keep}},
        },
        return_document=ReturnDocument.AFTER,
    )


def delete(db: Db, webhook_id: ObjectId) -> bool:
    """Delete a webhook; return whether there was one."""
    return delete_document(_webhooks(db), {"_id": webhook_id})


# Making deliveries.


def find_enabled(db: Db, owner_ids: Ids[ObjectId]) -> list[StoredWebhook]:
    """Return the enabled webhooks of these organizers."""
    return list(_webhooks(db).find({"ownerId": {"$in": list(owner_ids)}, "enabled": True}))


def find_existing_ids(db: Db, webhook_ids: Ids[ObjectId]) -> set[ObjectId]:
    """Return those of these ids under which there is a webhook."""
    where = {"_id": {"$in": list(webhook_ids)}}
    return {each["_id"] for each in _webhooks(db).find(where, {"_id": 1})}


def wake(db: Db, webhook_ids: Ids[ObjectId], due_at: datetime) -> None:
    """Bring `sendDueAt` of these webhooks forward to this time, where they are enabled."""
    where = {"_id": {"$in": list(webhook_ids)}, "enabled": True}
    db.webhooks.update_many(where, {"$min": {"sendDueAt": due_at}, "$inc": {"wakeCount": 1}})


# For the worker.


def find_due(
    db: Db, now: datetime, limit: int, without: Sequence[object], *, failing: bool
) -> list[StoredWebhook]:
    """Return webhooks with deliveries to send, the longest due first.

    Args:
        without: ids to leave out.
        failing: whether to return those whose last attempt failed, or the others.
    """
    where: Query = {"sendDueAt": {"$lte": now}, "failingSince": {"$exists": failing}}
    found = _webhooks(db).find({**where, **exclude_ids(without)})
    return list(found.sort("sendDueAt", ASCENDING).limit(limit))


def claim(
    db: Db, webhook_id: ObjectId, claim_id: ObjectId, now: datetime, until: datetime
) -> StoredWebhook | None:
    """Claim a webhook that is due until this time.

    Returns:
        The webhook. None, with nothing written, if it is not due, or another worker has it.
    """
    where: Query = {
        "_id": webhook_id,
        "enabled": True,
        "sendDueAt": {"$lte": now},
        "$or": [{"claimedUntil": {"$exists": False}}, {"claimedUntil": {"$lte": now}}],
    }
    return _webhooks(db).find_one_and_update(
        where,
        {"$set": {"claim": claim_id, "claimedUntil": until}},
        return_document=ReturnDocument.AFTER,
    )


def end_claim(db: Db, claimed: StoredWebhook, next_due_at: datetime | None, now: datetime) -> None:
    """End the claim of a webhook, and set when it is due again.

    Args:
        next_due_at: the time of its next delivery as read since the claim; None if none is pending.
        now: when it is due again if deliveries were added since the claim.
    """
    mine = {"_id": claimed["_id"], "claim": claimed["claim"]}
    removed = {"claim": "", "claimedUntil": ""}
    update: Query = {"$unset": removed}
    if next_due_at is None:
        update = {"$unset": {**removed, "sendDueAt": ""}}
    else:
        update["$set"] = {"sendDueAt": next_due_at}
    unchanged = {**mine, "enabled": True, "wakeCount": claimed["wakeCount"]}
    if db.webhooks.update_one(unchanged, update).matched_count:
        return
    # More was added: the webhook is due, or it was disabled and is not due.
    woken: Query = {"$set": {"sendDueAt": now}, "$unset": removed}
    if db.webhooks.update_one({**mine, "enabled": True}, woken).matched_count == 0:
        db.webhooks.update_one(mine, {"$unset": removed})


def set_failing(db: Db, webhook_id: ObjectId, since: datetime | None) -> None:
    """Record since when a webhook fails, unless it failed before; None if it does not fail."""
    if since is None:
        db.webhooks.update_one({"_id": webhook_id}, {"$unset": {"failingSince": ""}})
    else:
        where = {"_id": webhook_id, "failingSince": {"$exists": False}}
        db.webhooks.update_one(where, {"$set": {"failingSince": since}})


def disable(
    db: Db, webhook_id: ObjectId, by: DisabledBy, now: datetime, *, notify_owner: bool
) -> StoredWebhook | None:
    """Disable a webhook; return it, or None, with nothing written, if it is not enabled."""
    fields: Query = {"enabled": False, "disabledAt": now, "disabledBy": by}
    if notify_owner:
        fields["ownerNoticeDue"] = True
    return _webhooks(db).find_one_and_update(
        {"_id": webhook_id, "enabled": True},
        {"$set": fields, "$unset": {"sendDueAt": ""}},
        return_document=ReturnDocument.AFTER,
    )


def find_notices_due(db: Db, limit: int, without: Sequence[object] = ()) -> list[StoredWebhook]:
    """Return webhooks whose owner is to be told that they were disabled, without these."""
    where = {"ownerNoticeDue": True, **exclude_ids(without)}
    return list(_webhooks(db).find(where).limit(limit))


def clear_notice(db: Db, webhook: StoredWebhook) -> None:
    """Record that the owner was told, unless the webhook was disabled again since it was read."""
    where = {"_id": webhook["_id"], "disabledAt": webhook.get("disabledAt")}
    db.webhooks.update_one(where, {"$unset": {"ownerNoticeDue": ""}})


def find_of_tokens(db: Db, limit: int, after: ObjectId | None) -> list[StoredWebhook]:
    """Return webhooks that API tokens have made, by their ids, after this one."""
    where: Query = {"tokenId": {"$exists": True}}
    if after:
        where["_id"] = {"$gt": after}
    return list(_webhooks(db).find(where).sort("_id", ASCENDING).limit(limit))


def count(db: Db, *, enabled: bool, failing: bool | None = None) -> int:
    """Return how many webhooks are enabled or disabled, and failing or not where that is asked."""
    where: Query = {"enabled": enabled}
    if failing is not None:
        where["failingSince"] = {"$exists": failing}
    return db.webhooks.count_documents(where)
