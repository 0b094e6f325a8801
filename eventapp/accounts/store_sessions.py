"""Queries on the `sessions` collection. A session is active until it expires or is deleted."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import cast

from bson import ObjectId
from pymongo import DESCENDING, ReturnDocument, UpdateOne
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError

from eventapp.accounts.types import ActiveSession, StoredSession, StoredUserWrite
from eventapp.core.database import (
    Db,
    Query,
    delete_document,
    has_only_conflicts,
    make_unknown_outcome_error,
)

_ACTIVE_FIELDS = dict.fromkeys(
    ("userId", "role", "gen", "previousId", "lastUsedAt", "hasJoinedTeam"), 1
)
MAX_STORE_ATTEMPTS = 5


def _sessions(db: Db) -> Collection[StoredSession]:
    return cast(Collection[StoredSession], db.sessions)


def _active_sessions(db: Db) -> Collection[ActiveSession]:
    """Return the collection typed as _ACTIVE_FIELDS projects it."""
    return cast(Collection[ActiveSession], db.sessions)


def _user_writes(db: Db) -> Collection[StoredUserWrite]:
    return cast(Collection[StoredUserWrite], db.sessions)


def insert(db: Db, session: StoredSession) -> None:
    """Add a session."""
    _sessions(db).insert_one(session)


def find_active(db: Db, session_id: ObjectId, now: datetime) -> ActiveSession | None:
    """Return the fields of a session that requests read, None if it has ended."""
    return _active_sessions(db).find_one(
        {"_id": session_id, "expiresAt": {"$gt": now}}, _ACTIVE_FIELDS
    )


def find_active_many(
    db: Db, user_ids: Mapping[ObjectId, ObjectId], now: datetime
) -> dict[ObjectId, ActiveSession]:
    """Return the fields that requests read, by id, of those sessions that have not ended.

    Args:
        user_ids: the user of each session, by the id of the session. The `wroteAt` of these users
            is read, too.
    """
    ids = {*user_ids, *user_ids.values()}
    where = {"_id": {"$in": list(ids)}, "expiresAt": {"$gt": now}}
    found = {
        each["_id"]: each
        for each in _active_sessions(db).find(where, {**_ACTIVE_FIELDS, "wroteAt": 1})
    }
    sessions = {id_: found[id_] for id_ in user_ids if id_ in found}
    for id_, session in sessions.items():
        if user_write := found.get(user_ids[id_]):
            session["wroteAt"] = user_write["wroteAt"]
    return sessions


def store_user_writes(db: Db, user_ids: Iterable[ObjectId], *, expires_at: datetime) -> None:
    """Store for each of these users that the user has just written, by the database's clock.

    Args:
        expires_at: when it may be forgotten.

    Raises:
        PyMongoError: it is unknown for whom it is stored.
    """
    change = {"$currentDate": {"wroteAt": True}, "$set": {"expiresAt": expires_at}}
    updates = [UpdateOne({"_id": id_}, change, upsert=True) for id_ in user_ids]
    for _attempt in range(MAX_STORE_ATTEMPTS):
        try:
            _user_writes(db).bulk_write(updates, ordered=False)
        except BulkWriteError as error:
            # Another process stores the same at this moment. A repetition does no harm.
            if not has_only_conflicts(error):
                raise
        else:
            return
    raise make_unknown_outcome_error("sessions")


def delete_user_write(db: Db, user_id: ObjectId) -> None:
    """Delete what `store_user_writes` has stored of a user who is erased."""
    delete_document(_user_writes(db), {"_id": user_id})


def find(db: Db, session_id: ObjectId, now: datetime) -> StoredSession | None:
    """Return a whole session, None if it has ended."""
    return _sessions(db).find_one({"_id": session_id, "expiresAt": {"$gt": now}})


def find_by_page_secret(db: Db, secret_hash: str, now: datetime) -> StoredSession | None:
    """Return the page session with this hash of its secret, None if it has ended."""
    return _sessions(db).find_one({"pageSecretHash": secret_hash, "expiresAt": {"$gt": now}})


def find_by_user(db: Db, user_id: ObjectId) -> list[StoredSession]:
    """Return the sessions of a user, oldest first, expired ones included."""
    return list(_sessions(db).find({"userId": user_id}).sort("_id", 1))


def count(db: Db, user_id: ObjectId, now: datetime, *, limit: int) -> int:
    """Return how many sessions of a user have not ended, counted up to `limit`."""
    where = {"userId": user_id, "expiresAt": {"$gt": now}}
    return _sessions(db).count_documents(where, limit=limit)


def find_page(
    db: Db,
    user_id: ObjectId,
    now: datetime,
    *,
    older_than: ObjectId | None,
    skip: int,
    limit: int,
) -> list[StoredSession]:
    """Return sessions of a user that have not ended, newest first.

    Args:
        older_than: return only sessions that were opened before this one.
    """
    where: Query = {"userId": user_id, "expiresAt": {"$gt": now}}
    if older_than is not None:
        where["_id"] = {"$lt": older_than}
    return list(_sessions(db).find(where).sort("_id", DESCENDING).skip(skip).limit(limit))


def record_uses(db: Db, session_ids: Sequence[ObjectId], now: datetime) -> None:
    """Record the use of sessions, except where a later one is recorded."""
    where = {"_id": {"$in": session_ids}}
    _sessions(db).update_many(where, {"$max": {"lastUsedAt": now}})


def extend(db: Db, session_id: ObjectId, *, now: datetime, expires_at: datetime) -> bool:
    """Record the use of a session, and postpone its end.

    Returns:
        False, with nothing written, if the session has ended.
    """
    change: Query = {"$max": {"lastUsedAt": now, "expiresAt": expires_at}}
    where = {"_id": session_id, "expiresAt": {"$gt": now}}
    return _sessions(db).update_one(where, change).matched_count == 1


def end(db: Db, user_id: ObjectId, session_id: ObjectId) -> bool:
    """Delete a session of a user; return False if the user has no such session."""
    where = {"_id": session_id, "userId": user_id}
    return delete_document(_sessions(db), where)


def rotate(
    db: Db,
    session_id: ObjectId,
    refresh_id: str,
    new_refresh_id: str,
    *,
    now: datetime,
    expires_at: datetime,
) -> StoredSession | None:
    """Replace the refresh token of a session, if the token that was sent is the valid one.

    Args:
        refresh_id: the `rid` claim of the refresh token that was sent.
        new_refresh_id: the `rid` claim of its successor.

    Returns:
        The session after the write. None, with nothing written, if the session has ended or
        another refresh token is valid.
    """
    change: Query = {
        "$set": {
            "refreshId": new_refresh_id,
            "previousId": refresh_id,
            "rotatedAt": now,
            "lastUsedAt": now,
            "expiresAt": expires_at,
        },
        "$inc": {"gen": 1},
    }
    return _sessions(db).find_one_and_update(
        {"_id": session_id, "refreshId": refresh_id, "expiresAt": {"$gt": now}},
        change,
        return_document=ReturnDocument.AFTER,
    )


def forget_previous_token(db: Db, session_id: ObjectId, refresh_count: int) -> None:
    """Remove `previousId` from a session, unless the session was refreshed in the meantime.

    Args:
        refresh_count: how many times the session was refreshed when the caller's token was made.
    """
    _sessions(db).update_one(
        {"_id": session_id, "gen": refresh_count}, {"$unset": {"previousId": ""}}
    )


def set_role(db: Db, user_id: ObjectId, role: str) -> None:
    """Set the role in every session of a user."""
    _sessions(db).update_many({"userId": user_id}, {"$set": {"role": role}})


def set_joined_team(db: Db, user_id: ObjectId) -> None:
    """Record in every session of a user that the user has joined a team."""
    _sessions(db).update_many({"userId": user_id}, {"$set": {"hasJoinedTeam": True}})


def delete(db: Db, session_id: ObjectId) -> None:
    """Delete a session."""
    delete_document(_sessions(db), {"_id": session_id})


def delete_all(db: Db, user_id: ObjectId, *, except_for: ObjectId | None = None) -> None:
    """Delete the sessions of a user.

    Args:
        except_for: the session that is kept; None deletes all.
    """
    _sessions(db).delete_many({"userId": user_id, "_id": {"$ne": except_for}})
