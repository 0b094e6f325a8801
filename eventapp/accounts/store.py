"""Queries on the `users` collection, and the indexes of all collections of accounts."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import cast

from bson import ObjectId
from pymongo import DESCENDING, IndexModel, ReturnDocument
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from eventapp.accounts.types import (
    ProfilePhoto,
    StoredUser,
    UnfinishedChange,
    UserChanges,
    UserContact,
)
from eventapp.core.database import Db, Query, delete_document, retry_on_write_conflict

INDEXES = {
    "sessions": [
        IndexModel("userId", name="userId"),
        IndexModel("pageSecretHash", name="pageSecretHash", unique=True, sparse=True),
        IndexModel("expiresAt", name="expiresAt", expireAfterSeconds=0),
    ],
    "erasures": [IndexModel("startedAt", name="startedAt")],
    "mailTokens": [
        IndexModel("digest", name="digest", unique=True, sparse=True),
        IndexModel("userId", name="userId"),
        IndexModel("keptUntil", name="keptUntil", expireAfterSeconds=0),
        IndexModel("unfinishedSince", name="unfinishedSince", sparse=True),
    ],
    "mailRequests": [
        IndexModel("userId", name="userId", sparse=True),
        IndexModel("requestedAt", name="requestedAt", expireAfterSeconds=86400),
    ],
    "loginMarks": [IndexModel("expiresAt", name="expiresAt", expireAfterSeconds=0)],
    "users": [
        IndexModel("emailKey", name="emailKey", unique=True),
        IndexModel("claimedEmailKeys", name="claimedEmailKeys", unique=True, sparse=True),
        IndexModel("emailChanges.cleanUpAt", name="emailCleanUp", sparse=True),
        IndexModel("emailChanges.pending.mails.requestedAt", name="emailMails", sparse=True),
        # Several accounts may have the same name. Only the one that claimed it first logs in by it.
        IndexModel("loginName", name="loginNameClaim", unique=True, sparse=True),
        IndexModel("nameKey", name="nameKey"),
        IndexModel([("role", 1), ("_id", 1)], name="role"),
        IndexModel("unfinishedReset.startedAt", name="unfinishedReset", sparse=True),
        IndexModel("unfinishedChange.startedAt", name="unfinishedChange", sparse=True),
    ],
}
# Was limited to texts by a `partialFilterExpression`, so that no query for a name could use it.
RETIRED_INDEXES = {"users": ["loginName"]}

_CONTACT_FIELDS = dict.fromkeys(
    ("name", "email", "emailVerified", "language", "credentialsVersion"), 1
)
# A part of each write that changes the email or the password.
NEXT_CREDENTIALS = {"credentialsVersion": 1}


class TakenError(Exception):
    """The email or login name of an update belongs to another account."""


def _users(db: Db) -> Collection[StoredUser]:
    return cast(Collection[StoredUser], db.users)


def insert(db: Db, user: StoredUser) -> bool:
    """Add an account.

    Returns:
        False, with nothing written, if another account has the email or the login name.
    """
    try:
        retry_on_write_conflict(lambda: _users(db).insert_one(user))
    except DuplicateKeyError:
        return False
    return True


def find(db: Db, user_id: ObjectId) -> StoredUser | None:
    """Return an account, None if there is none."""
    return _users(db).find_one({"_id": user_id})


def find_contacts(db: Db, user_ids: Iterable[ObjectId]) -> list[UserContact]:
    """Return what a notification needs of these accounts. Ids without an account are skipped."""
    contacts = cast(Collection[UserContact], db.users)
    return list(contacts.find({"_id": {"$in": list(user_ids)}}, _CONTACT_FIELDS))


def find_with_roles(db: Db, user_ids: Iterable[ObjectId], roles: Iterable[str]) -> set[ObjectId]:
    """Return those of these ids whose accounts have one of these roles."""
    where = {"_id": {"$in": list(user_ids)}, "role": {"$in": list(roles)}}
    return {user["_id"] for user in _users(db).find(where, {"_id": 1})}


def find_by_email(db: Db, email_keys: Sequence[str]) -> StoredUser | None:
    """Return the account that has the first of these email keys that any has, None if none has."""
    found = {user["emailKey"]: user for user in _users(db).find({"emailKey": {"$in": email_keys}})}
    return next((found[key] for key in email_keys if key in found), None)


def find_by_login_name(db: Db, login_name: str) -> StoredUser | None:
    """Return the account that logs in by this folded name, None if there is none."""
    return _users(db).find_one({"loginName": login_name})


def replace_password(
    db: Db,
    user: StoredUser,
    password_hash: str,
    updated_at: datetime,
    unfinished: UnfinishedChange | None = None,
) -> StoredUser | None:
    """Set the password hash of an account, unless it has changed since the account was read.

    Args:
        unfinished: recorded in the same write where other sessions end with the old password; None
            where the hash is replaced by another one of the same password.

    Returns:
        The account after the write. None, with nothing written, if another write has replaced the
        hash, or the account was deleted.
    """
    where = {"_id": user["_id"], "passwordHash": user["passwordHash"]}
    fields: Query = {"passwordHash": password_hash, "updatedAt": updated_at}
    change: Query = {"$set": fields}
    if unfinished:
        fields["unfinishedChange"] = unfinished
        change["$inc"] = NEXT_CREDENTIALS
    return _users(db).find_one_and_update(where, change, return_document=ReturnDocument.AFTER)


def update(
    db: Db,
    user_id: ObjectId,
    changes: UserChanges,
    *,
    drop_login_name: bool = False,
    unchanged_since: StoredUser | None = None,
) -> StoredUser | None:
    """Set fields of an account.

    Args:
        drop_login_name: remove `loginName`, so that the account logs in only by its email.
        unchanged_since: write only if neither the email nor the password hash has changed since
            the account was read like this; None to write in any case.

    Returns:
        The account after the write. None, with nothing written, if there is none, or it has
        changed.

    Raises:
        TakenError: another account has the new email or login name. Nothing was written.
    """
    where: Query = {"_id": user_id}
    if unchanged_since is not None:
        where["passwordHash"] = unchanged_since["passwordHash"]
        # None stands for an account without the field, too.
        where["emailChanges.revision"] = unchanged_since.get("emailChanges", {}).get("revision")
    change: Query = {"$set": _flatten(changes)}
    if "email" in changes:
        change["$inc"] = NEXT_CREDENTIALS
    if drop_login_name:
        change["$unset"] = {"loginName": ""}
    try:
        return retry_on_write_conflict(
            lambda: _users(db).find_one_and_update(
                where, change, return_document=ReturnDocument.AFTER
            )
        )
    except DuplicateKeyError:
        raise TakenError from None


def _flatten(changes: UserChanges) -> Query:
    """Return the fields to set. Of the mail preferences, those that are absent stay."""
    fields: Query = {**changes}
    preferences = fields.pop("mailPreferences", {})
    return fields | {f"mailPreferences.{name}": value for name, value in preferences.items()}


def set_photo(
    db: Db, user_id: ObjectId, *, path: str, photo: ProfilePhoto, now: datetime
) -> StoredUser | None:
    """Set the profile photo of an account: its URL path and its id, in one write.

    Returns:
        The account before the write, None if there is none.
    """
    change = {"userImg": path, "photo": photo, "updatedAt": now}
    return _users(db).find_one_and_update(
        {"_id": user_id}, {"$set": change}, return_document=ReturnDocument.BEFORE
    )


def set_email_verified(db: Db, user_id: ObjectId, email_key: str, now: datetime) -> bool:
    """Record that the email of an account is verified.

    Returns:
        False, with nothing written, if the account has another email, or was deleted.
    """
    where = {"_id": user_id, "emailKey": email_key}
    change = {"$set": {"emailVerified": True, "updatedAt": now}}
    return _users(db).update_one(where, change).matched_count == 1


def set_role(db: Db, user_id: ObjectId, role: str, now: datetime) -> None:
    """Set the role of an account."""
    _users(db).update_one({"_id": user_id}, {"$set": {"role": role, "updatedAt": now}})


def set_joined_team(db: Db, user_id: ObjectId) -> None:
    """Record in an account that its user has joined a team."""
    _users(db).update_one({"_id": user_id}, {"$set": {"hasJoinedTeam": True}})


def count_with_role(db: Db, role: str, limit: int) -> int:
    """Return the number of accounts with a role, counted up to `limit`."""
    return _users(db).count_documents({"role": role}, limit=limit)


def delete(db: Db, user_id: ObjectId) -> None:
    """Delete an account."""
    delete_document(_users(db), {"_id": user_id})


def find_page(
    db: Db, *, search: str, role: str | None, older_than: ObjectId | None, skip: int, limit: int
) -> list[StoredUser]:
    """Return accounts, newest first.

    Args:
        search: folded text that the name or the email must contain; empty for all accounts.
        role: the role that the accounts must have; None for any.
        older_than: return only accounts that were added before this one.
    """
    where = _build_page_filter(search, role)
    if older_than is not None:
        where["_id"] = {"$lt": older_than}
    return list(_users(db).find(where).sort("_id", DESCENDING).skip(skip).limit(limit))


def count(db: Db, *, search: str, role: str | None, limit: int) -> int:
    """Return the number of accounts that `find_page` can return, counted up to `limit`."""
    return _users(db).count_documents(_build_page_filter(search, role), limit=limit)


def _build_page_filter(search: str, role: str | None) -> Query:
    where: Query = {"role": role} if role else {}
    if search:
        contains = {"$regex": re.escape(search)}
        where["$or"] = [{"nameKey": contains}, {"emailKey": contains}]
    return where
