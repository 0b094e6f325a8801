"""Verify the email addresses of accounts by a token that was mailed to them.

An account without the field `emailVerified` is older than verification. It counts as verified for
mails, because it has got them so far, but nobody has shown that the address is theirs.
"""

from datetime import datetime

from bson import ObjectId

from eventapp.accounts import email_changes, mail_requests, mail_tokens, rules, store
from eventapp.accounts.errors import AlreadyVerified, EmailNotVerified, TokenInvalid, UserNotFound
from eventapp.core.access.sealing import Sealer
from eventapp.core.database import Db


def request_verification(db: Db, sealer: Sealer, user_id: ObjectId, now: datetime) -> None:
    """Ask for a mail with a link that verifies the pending or else the present address.

    Raises:
        UserNotFound: there is no account with this id.
        AlreadyVerified: the address is verified, and no other one is pending.
    """
    user = store.find(db, user_id)
    if user is None:
        raise UserNotFound
    if email_changes.ask_again(db, sealer, user, now):
        return
    if user.get("emailVerified"):
        raise AlreadyVerified
    mail_requests.request_mail(db, sealer, rules.VERIFICATION, user_id=user_id, now=now)


def verify_email(
    db: Db,
    token: str,
    *,
    password: str | None,
    client_ip: str,
    bcrypt_rounds: int,
    now: datetime,
) -> None:
    """Record that the owner of an account reads the mail of its address, or of its pending one.

    Args:
        password, client_ip, bcrypt_rounds: see `email_changes.verify`.

    Raises:
        TokenInvalid: the token is unknown, used, void or expired, or the account has another email
            address than the one that the token was mailed to.
        ValidationFailed, WrongPassword, TooManyRequests, EmailTaken: see `email_changes.verify`.
    """
    found = mail_tokens.check(db, token, (rules.VERIFICATION, rules.NEW_EMAIL), now)
    if found["purpose"] == rules.NEW_EMAIL:
        email_changes.verify(
            db,
            token,
            found,
            password=password,
            client_ip=client_ip,
            bcrypt_rounds=bcrypt_rounds,
            now=now,
        )
        return
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
