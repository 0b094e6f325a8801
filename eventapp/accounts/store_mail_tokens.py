"""Queries on `mailTokens` and `mailRequests`: the tokens of mailed links, and requests for them."""

from collections.abc import Collection as AnyCollection
from collections.abc import Sequence
from datetime import datetime
from typing import cast

from bson import ObjectId
from pymongo import ASCENDING, ReturnDocument
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from eventapp.accounts.types import MailRequest, MailToken
from eventapp.core.database import Db, Query, delete_document, exclude_ids, retry_on_write_conflict


def _tokens(db: Db) -> Collection[MailToken]:
    return cast(Collection[MailToken], db.mailTokens)


def _requests(db: Db) -> Collection[MailRequest]:
    return cast(Collection[MailRequest], db.mailRequests)


def find(db: Db, token_id: str) -> MailToken | None:
    """Return the token of an account and a purpose, None if none was made lately."""
    return _tokens(db).find_one({"_id": token_id})


def replace(db: Db, token: MailToken, replaced: ObjectId | None) -> bool:
    """Store a token in place of the one that another request has made.

    Args:
        replaced: the request of the token that was read; None if there was no token.

    Returns:
        False, with nothing written, if another process has stored a token since the read.
    """
    if replaced is None:
        try:
            retry_on_write_conflict(lambda: _tokens(db).insert_one(token))
        except DuplicateKeyError:
            return False
        return True
    where = {"_id": token["_id"], "requestId": replaced}
    return retry_on_write_conflict(lambda: _tokens(db).replace_one(where, token)).matched_count == 1


def find_valid(
    db: Db, digest: str, purposes: AnyCollection[str], now: datetime
) -> MailToken | None:
    """Return the token with a digest, None if it is used, void, expired or of another purpose."""
    return _tokens(db).find_one(_build_valid_filter(digest, purposes, now))


def consume(
    db: Db, digest: str, purposes: AnyCollection[str], now: datetime, *, is_noted: bool = False
) -> MailToken | None:
    """Use up a token in one write, so that of several callers one gets it.

    Args:
        is_noted: note in the same write that the effect of the token is unfinished.

    Returns:
        The token. None, with nothing written, if it is used, void, expired or of another purpose.
    """
    change: Query = {"$unset": {"digest": ""}}
    if is_noted:
        change["$set"] = {"unfinishedSince": now}
    return _tokens(db).find_one_and_update(
        _build_valid_filter(digest, purposes, now), change, return_document=ReturnDocument.BEFORE
    )


def find_unfinished(
    db: Db, moment: datetime, limit: int, without: Sequence[object] = ()
) -> list[MailToken]:
    """Return the tokens whose effect is unfinished since before this moment, the oldest first.

    Args:
        without: ids of tokens to leave out.
    """
    where = {"unfinishedSince": {"$lt": moment}, **exclude_ids(without)}
    return list(_tokens(db).find(where).sort("unfinishedSince", ASCENDING).limit(limit))


def finish_use(db: Db, token_id: str) -> None:
    """Remove the note that the effect of a token is unfinished."""
    _tokens(db).update_one({"_id": token_id}, {"$unset": {"unfinishedSince": ""}})


def _build_valid_filter(digest: str, purposes: AnyCollection[str], now: datetime) -> Query:
    return {"digest": digest, "purpose": {"$in": list(purposes)}, "expiresAt": {"$gt": now}}


def void_all(
    db: Db, user_id: ObjectId, purposes: AnyCollection[str], *, kept: Query | None = None
) -> int:
    """Make the tokens of an account for these purposes void, and return how many there were.

    Args:
        kept: a filter; the tokens that match it stay valid.
    """
    where: Query = {
        "userId": user_id,
        "purpose": {"$in": list(purposes)},
        "digest": {"$type": "string"},
    }
    if kept:
        where["$nor"] = [kept]
    return _tokens(db).update_many(where, {"$unset": {"digest": ""}}).modified_count


def add_request(db: Db, request: MailRequest) -> None:
    """Add a request for a mail with a token."""
    _requests(db).insert_one(request)


def find_requests(db: Db, limit: int, without: Sequence[object] = ()) -> list[MailRequest]:
    """Return the requests, oldest first.

    Args:
        without: ids of requests to leave out.
    """
    return list(_requests(db).find(exclude_ids(without)).sort("_id", ASCENDING).limit(limit))


def delete_request(db: Db, request_id: ObjectId) -> None:
    """Delete a request, whose mail is stored or will never be."""
    delete_document(_requests(db), {"_id": request_id})


def forget_user(db: Db, user_id: ObjectId) -> None:
    """Delete the tokens of an account and its requests."""
    _requests(db).delete_many({"userId": user_id})
    _tokens(db).delete_many({"userId": user_id})
