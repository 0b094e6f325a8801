"""Make, check and use up the tokens of links in mails.

A token is 256 random bits, of which the database holds only the SHA-256. Invariant: an account has
at most one valid token for a purpose, and a token is used at most once. Both hold because each
account and purpose has one document, whose `digest` is the only valid one: a newer token replaces
it, and one guarded write removes it when the token is used. A token counts only while the account
has the email address that the token was mailed to; the write that applies it must be guarded so.
Tokens that void a change of the email are different: each has a document of its own, because a
second change must not void the link that the owner got with the first. See `email_voids`.
"""

import hashlib
import secrets
from collections.abc import Collection
from datetime import datetime

from bson import ObjectId

from eventapp.accounts import rules, store_mail_tokens
from eventapp.accounts.errors import TokenInvalid
from eventapp.accounts.types import MailToken, TokenRequest
from eventapp.core.database import Db

TOKEN_BYTES = 32
# How often a token is stored again if other processes store one for the same account meanwhile.
ISSUE_ATTEMPTS = 5


def make_token() -> str:
    """Return a new token: 256 random bits in base64url, 43 characters."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def issue(
    db: Db, request: TokenRequest, token: str, *, user_id: ObjectId, email_key: str, now: datetime
) -> MailToken | None:
    """Make a token the only valid one of an account for the purpose of a request.

    A request may be repeated: its token is made valid once, and never again after it was used.

    Args:
        email_key: the key of the address that the token is mailed to.

    Returns:
        What is stored about the token. None, with nothing written, if no mail may be sent: the
        account got MAX_MAILS within MAILS_WINDOW, or a newer request has made a token.
    """
    purpose = request["purpose"]
    token_id = f"{purpose} {user_id}"
    if purpose == rules.EMAIL_VOID:
        token_id += f" {request['_id']}"
    is_limited = purpose not in rules.OF_EMAIL_CHANGES
    for _attempt in range(ISSUE_ATTEMPTS):
        stored = store_mail_tokens.find(db, token_id)
        if stored and stored["requestId"] == request["_id"]:
            return stored
        sent_at = rules.list_recent(stored["sentAt"], now) if stored else []
        is_older = stored is not None and stored["requestedAt"] > request["requestedAt"]
        if is_older or (is_limited and len(sent_at) >= rules.MAX_MAILS):
            return None
        expires_at = now + rules.TOKEN_LIFETIMES[purpose]
        issued: MailToken = {
            "_id": token_id,
            "userId": user_id,
            "purpose": purpose,
            "requestId": request["_id"],
            "requestedAt": request["requestedAt"],
            "digest": _digest(token),
            "emailKey": email_key,
            "expiresAt": expires_at,
            "sentAt": [*sent_at, now],
            "keptUntil": max(expires_at, now + rules.MAILS_WINDOW),
        }
        if "changeId" in request:
            issued["changeId"] = request["changeId"]
        if store_mail_tokens.replace(db, issued, stored["requestId"] if stored else None):
            return issued
    return None


def check(db: Db, token: str, purposes: Collection[str], now: datetime) -> MailToken:
    """Return what is stored about a token without using it up.

    Raises:
        TokenInvalid: the token is unknown, used, void, expired or for another purpose.
    """
    found = store_mail_tokens.find_valid(db, _digest(token), purposes, now)
    if found is None:
        raise TokenInvalid
    return found


def consume(
    db: Db, token: str, purposes: Collection[str], now: datetime, *, is_noted: bool = False
) -> MailToken:
    """Use up a token and return what is stored about it.

    Args:
        is_noted: note in the same write that the effect of the token is unfinished. Whoever uses
            it must call `store_mail_tokens.finish_use` at the end.

    Raises:
        TokenInvalid: the token is unknown, used, void, expired or for another purpose.
    """
    consumed = store_mail_tokens.consume(db, _digest(token), purposes, now, is_noted=is_noted)
    if consumed is None:
        raise TokenInvalid
    return consumed


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()
