"""Queries on the `apiTokens` collection. A token is active until it expires or is deleted."""

from collections.abc import Iterable
from datetime import datetime
from typing import cast

from bson import ObjectId
from pymongo import IndexModel
from pymongo.collection import Collection

from eventapp.accounts.api_token_types import ActiveApiToken, StoredApiToken
from eventapp.core.database import Db, delete_document

INDEXES = {
    "apiTokens": [
        IndexModel("secretHash", name="secretHash", unique=True),
        IndexModel("userId", name="userId"),
        # Only tokens of door devices have the fields of these two.
        IndexModel("codeHash", name="codeHash", unique=True, sparse=True),
        IndexModel([("deviceEventId", 1), ("_id", -1)], name="devices", sparse=True),
        IndexModel("expiresAt", name="expiresAt", expireAfterSeconds=0),
    ],
}
_ACTIVE_FIELDS = {
    **{"userId": 1, "role": 1, "name": 1, "scopes": 1, "eventIds": 1},
    **{"expiresAt": 1, "lastUsedAt": 1, "deviceEventId": 1},
}
_NO_DEVICE = {"deviceEventId": None}


def _tokens(db: Db) -> Collection[StoredApiToken]:
    return cast(Collection[StoredApiToken], db.apiTokens)


def _active_tokens(db: Db) -> Collection[ActiveApiToken]:
    """Return the collection typed as _ACTIVE_FIELDS projects it."""
    return cast(Collection[ActiveApiToken], db.apiTokens)


def insert(db: Db, token: StoredApiToken) -> None:
    """Add a token."""
    _tokens(db).insert_one(token)


def find_by_hash(db: Db, secret_hash: str) -> ActiveApiToken | None:
    """Return the fields of a token that requests read, also of an expired one."""
    return _active_tokens(db).find_one({"secretHash": secret_hash}, _ACTIVE_FIELDS)


def find(db: Db, token_id: ObjectId) -> ActiveApiToken | None:
    """Return the fields of a token that requests read, also of an expired one."""
    return _active_tokens(db).find_one({"_id": token_id}, _ACTIVE_FIELDS)


def find_all(db: Db, token_ids: Iterable[ObjectId]) -> list[ActiveApiToken]:
    """Return the fields of tokens that requests read, also of expired ones."""
    return list(_active_tokens(db).find({"_id": {"$in": list(token_ids)}}, _ACTIVE_FIELDS))


def find_by_user(db: Db, user_id: ObjectId) -> list[StoredApiToken]:
    """Return the tokens of a user for programs, newest first, expired ones included."""
    return list(_tokens(db).find({"userId": user_id, **_NO_DEVICE}).sort("_id", -1))


def set_role(db: Db, user_id: ObjectId, role: str) -> None:
    """Set the role in every token of a user, those of door devices included."""
    _tokens(db).update_many({"userId": user_id}, {"$set": {"role": role}})


def set_last_use(db: Db, token_id: ObjectId, used_at: datetime) -> None:
    """Record a use, unless a later one is recorded."""
    _tokens(db).update_one({"_id": token_id}, {"$max": {"lastUsedAt": used_at}})


def delete(db: Db, user_id: ObjectId, token_id: ObjectId) -> bool:
    """Delete a token of a user for a program. Return False if the user has no such token."""
    where = {"_id": token_id, "userId": user_id, **_NO_DEVICE}
    return delete_document(_tokens(db), where)


def delete_all(db: Db, user_id: ObjectId) -> None:
    """Delete the tokens of a user, those of door devices included."""
    _tokens(db).delete_many({"userId": user_id})
