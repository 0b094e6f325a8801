"""The `sessions` collection: one document a login, alive as long as it is there.

`refreshId` is the one refresh token that works. `previousId` is the one before it, kept only
until anything shows that the client has got the new one. `gen` counts the refreshes.
"""

from collections.abc import Iterable
from datetime import datetime

from bson import ObjectId
from pymongo import ReturnDocument

from eventapp.core.database import Db, Document

_SEEN = {"userId": 1, "role": 1, "gen": 1, "previousId": 1}


def insert(db: Db, session: Document) -> None:
    db.sessions.insert_one(session)


def live(db: Db, session_id: ObjectId, now: datetime) -> Document | None:
    """The session `{userId, role, gen, previousId?}`, None once it has ended."""
    return db.sessions.find_one({"_id": session_id, "expiresAt": {"$gt": now}}, _SEEN)


def live_many(db: Db, session_ids: Iterable[ObjectId], now: datetime) -> dict[ObjectId, Document]:
    """`live` of many sessions in one read; those that have ended are left out."""
    where = {"_id": {"$in": list(session_ids)}, "expiresAt": {"$gt": now}}
    return {session["_id"]: session for session in db.sessions.find(where, _SEEN)}


def find(db: Db, session_id: ObjectId, now: datetime) -> Document | None:
    """The whole session, None once it has ended."""
    return db.sessions.find_one({"_id": session_id, "expiresAt": {"$gt": now}})


def of_user(db: Db, user_id: ObjectId) -> list[Document]:
    return list(db.sessions.find({"userId": user_id}).sort("_id", 1))


def rotate(
    db: Db, session_id: ObjectId, used: str, fresh: str, *, now: datetime, expires_at: datetime
) -> Document | None:
    """Replace refresh token `used` by `fresh`, if it is the one that works.

    Returns:
        The session after the write; None, with nothing written, where it is not, or has ended.
    """
    return db.sessions.find_one_and_update(
        {"_id": session_id, "refreshId": used, "expiresAt": {"$gt": now}},
        {
            "$set": {
                "refreshId": fresh,
                "previousId": used,
                "rotatedAt": now,
                "expiresAt": expires_at,
            },
            "$inc": {"gen": 1},
        },
        return_document=ReturnDocument.AFTER,
    )


def close_retry(db: Db, session_id: ObjectId, generation: int) -> None:
    """Note that the client has the tokens of this generation: no retry is honest any more."""
    db.sessions.update_one({"_id": session_id, "gen": generation}, {"$unset": {"previousId": ""}})


def set_role(db: Db, user_id: ObjectId, role: str) -> None:
    db.sessions.update_many({"userId": user_id}, {"$set": {"role": role}})


def end(db: Db, session_id: ObjectId) -> None:
    db.sessions.delete_one({"_id": session_id})


def end_all(db: Db, user_id: ObjectId, *, but: ObjectId | None = None) -> None:
    """End every session of a user, or every other one than `but`."""
    db.sessions.delete_many({"userId": user_id, "_id": {"$ne": but}})
