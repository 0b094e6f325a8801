"""Verify the email addresses of accounts by a token that was mailed to them.

An account without the field `emailVerified` is older than verification. It counts as verified for
mails, because it has got them so far, but nobody has shown that the address is theirs.
"""

from datetime import datetime

from bson import ObjectId

from eventapp.accounts import mail_requests, mail_tokens, rules, store
from eventapp.accounts.errors import AlreadyVerified, EmailNotVerified, TokenInvalid, UserNotFound
from eventapp.core.access.sealing import Sealer
from eventapp.core.database import Db


def request_verification(db: Db, sealer: Sealer, user_id: ObjectId, now: datetime) -> None:
    """Ask for a mail with a link that verifies the address of an account.

    Raises:
        UserNotFound: there is no account with this id.
        AlreadyVerified: the address is verified.
    """
    user = store.find(db, user_id)
    if user is None:
        raise UserNotFound
    if user.get("emailVerified"):
        raise AlreadyVerified
    mail_requests.request_mail(db, sealer, rules.VERIFICATION, user_id=user_id, now=now)


def verify_email(db: Db, token: str, now: datetime) -> None:
    """Record that the owner of an account reads the mail of its address.

    Raises:
        TokenInvalid: the token is unknown, used, void or expired, or the account has another email
            address than the one that the token was mailed to.
    """
    consumed = mail_tokens.consume(db, token, (rules.VERIFICATION,), now)
    if not store.set_email_verified(db, consumed["userId"], consumed["emailKey"], now):
        raise TokenInvalid


def require_verified_email(db: Db, user_id: ObjectId) -> None:
    """Refuse a user whose address is not verified, see the setting REQUIRE_VERIFIED_EMAIL.

    Raises:
        EmailNotVerified: the address is not verified, or there is no such account.
    """
    user = store.find(db, user_id)
    if user is None or not user.get("emailVerified"):
        raise EmailNotVerified
