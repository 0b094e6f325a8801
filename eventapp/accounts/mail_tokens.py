"""Make, check and use up the tokens of links in mails.

A token is 256 random bits, of which the database holds only the SHA-256. Invariant: an account has
at most one valid token for a purpose, and a token is used at most once. Both hold because each
account and purpose has one document, whose `digest` is the only valid one: a newer token replaces
it, and one guarded write removes it when the token is used. A token counts only while the account
has the email address that the token was mailed to; the write that applies it must be guarded so.
"""

import hashlib
import secrets
from collections.abc import Collection
from datetime import datetime

from bson import ObjectId

from eventapp.accounts import rules, store_mail_tokens
from eventapp.accounts.errors import TokenInvalid
from eventapp.accounts.types import MailRequest, MailToken
from eventapp.core.database import Db

TOKEN_BYTES = 32
# How often a token is stored again if other processes store one for the same account meanwhile.
ISSUE_ATTEMPTS = 5


def make_token() -> str:
    """Return a new token: 256 random bits in base64url, 43 characters."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def issue(
    db: Db, request: MailRequest, token: str, *, user_id: ObjectId, email_key: str, now: datetime
) -> MailToken | None:
    """Make a token the only valid one of an account for the purpose of a request.

    A request may be repeated: its token is made valid once, and never again after it was used.

    Args:
        email_key: the key of the address that the token is mailed to.

    Returns:
        What is stored about the token. None, with nothing written, if no mail may be sent: the
        account got MAX_MAILS within MAILS_WINDOW, or a newer request has made a token.
    """
    for _attempt in range(ISSUE_ATTEMPTS):
        token_id = f"{request['purpose']} {user_id}"
        stored = store_mail_tokens.find(db, token_id)
        if stored and stored["requestId"] == request["_id"]:
            return stored
        sent_at = rules.list_recent(stored["sentAt"], now) if stored else []
        is_older = stored is not None and stored["requestedAt"] > request["requestedAt"]
        if is_older or len(sent_at) >= rules.MAX_MAILS:
            return None
        expires_at = now + rules.TOKEN_LIFETIMES[request["purpose"]]
        issued: MailToken = {
            "_id": token_id,
            "userId": user_id,
            "purpose": request["purpose"],
            "requestId": request["_id"],
            "requestedAt": request["requestedAt"],
            "digest": _digest(token),
            "emailKey": email_key,
            "expiresAt": expires_at,
            "sentAt": [*sent_at, now],
            "keptUntil": max(expires_at, now + rules.MAILS_WINDOW),
        }
        if store_mail_tokens.replace(db, issued, stored["requestId"] if stored else None):
            return issued
    return None


def check(db: Db, token: str, purposes: Collection[str], now: datetime) -> None:
    """Raise TokenInvalid unless a token is valid for one of these purposes; use nothing up."""
    if store_mail_tokens.find_valid(db, _digest(token), purposes, now) is None:
        raise TokenInvalid


def consume(db: Db, token: str, purposes: Collection[str], now: datetime) -> MailToken:
    """Use up a token and return what is stored about it.

    Raises:
        TokenInvalid: the token is unknown, used, void, expired or for another purpose.
    """
    consumed = store_mail_tokens.consume(db, _digest(token), purposes, now)
    if consumed is None:
        raise TokenInvalid
    return consumed


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()
