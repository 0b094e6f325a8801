"""The `users` collection, and the indexes of all that accounts store."""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from bson import ObjectId
from pymongo import DESCENDING, IndexModel, ReturnDocument
from pymongo.errors import DuplicateKeyError

from eventapp.core.database import Db, Document, retry_on_write_conflict

INDEXES = {
    "sessions": [
        IndexModel("userId", name="userId"),
        IndexModel("expiresAt", name="expiresAt", expireAfterSeconds=0),
    ],
    "loginMarks": [IndexModel("expiresAt", name="expiresAt", expireAfterSeconds=0)],
    "users": [
        IndexModel("emailKey", name="emailKey", unique=True),
        # Names repeat; the account that claimed one first is the one that logs in by it.
        IndexModel(
            "loginName",
            name="loginName",
            unique=True,
            partialFilterExpression={"loginName": {"$type": "string"}},
        ),
        IndexModel("nameKey", name="nameKey"),
        IndexModel([("role", 1), ("_id", 1)], name="role"),
    ],
}


def insert(db: Db, user: Document) -> bool:
    """Add an account. False, with nothing written, where its email or login name is taken."""
    try:
        retry_on_write_conflict(lambda: db.users.insert_one(user))
    except DuplicateKeyError:
        return False
    return True


def find(db: Db, user_id: ObjectId) -> Document | None:
    return db.users.find_one({"_id": user_id})


def find_contacts(db: Db, user_ids: Iterable[ObjectId]) -> list[Document]:
    """`{_id, name, email}` of those of these accounts that exist."""
    return list(db.users.find({"_id": {"$in": list(user_ids)}}, {"name": 1, "email": 1}))


def find_by_email(db: Db, email_key: str) -> Document | None:
    return db.users.find_one({"emailKey": email_key})


def find_by_login_name(db: Db, login_name: str) -> Document | None:
    return db.users.find_one({"loginName": login_name})


def is_still(db: Db, user: Document) -> bool:
    """True while the account has the role and the password it was read with."""
    same = {name: user[name] for name in ("_id", "role", "passwordHash")}
    return db.users.find_one(same, {"_id": 1}) is not None


class TakenError(Exception):
    """The email or login name of an update belongs to another account."""


def update(
    db: Db, user_id: ObjectId, changes: Document, *, drop_login_name: bool = False
) -> Document | None:
    """Set fields of an account.

    Returns:
        The account after the write; None where there is none.

    Raises:
        TakenError: the new email or login name is another's; nothing was written.
    """
    change: Document = {"$set": changes}
    if drop_login_name:
        change["$unset"] = {"loginName": ""}
    try:
        return retry_on_write_conflict(
            lambda: db.users.find_one_and_update(
                {"_id": user_id}, change, return_document=ReturnDocument.AFTER
            )
        )
    except DuplicateKeyError:
        raise TakenError from None


def set_role(db: Db, user_id: ObjectId, role: str, now: datetime) -> None:
    db.users.update_one({"_id": user_id}, {"$set": {"role": role, "updatedAt": now}})


def count_role(db: Db, role: str, limit: int) -> int:
    """How many accounts have a role, counted up to `limit`."""
    return db.users.count_documents({"role": role}, limit=limit)


def delete(db: Db, user_id: ObjectId) -> None:
    db.users.delete_one({"_id": user_id})


def page(
    db: Db, *, search: str, role: str | None, before: ObjectId | None, skip: int, limit: int
) -> list[Document]:
    """Accounts, newest first.

    Args:
        search: folded text, part of a name or an email; empty for all.
        before: only accounts older than this one.
    """
    where = _where(search, role)
    if before is not None:
        where["_id"] = {"$lt": before}
    return list(db.users.find(where).sort("_id", DESCENDING).skip(skip).limit(limit))


def count(db: Db, *, search: str, role: str | None, limit: int) -> int:
    """How many accounts `page` could show, counted up to `limit`."""
    return db.users.count_documents(_where(search, role), limit=limit)


def _where(search: str, role: str | None) -> dict[str, Any]:
    where: dict[str, Any] = {"role": role} if role else {}
    if search:
        part = {"$regex": re.escape(search)}
        where["$or"] = [{"nameKey": part}, {"emailKey": part}]
    return where
