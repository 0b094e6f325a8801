"""Reset a forgotten password by a token that was mailed, and end all other access to the account.

The write that sets the password also records the reset as unfinished. Then everything that the
reset ends is ended, the mail that tells the owner is stored, and the record is removed. A process
may die in between: a job repeats these steps, which have no effect twice. As for every change of a
password, the account is written before its sessions are deleted, see `sessions`.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from bson import ObjectId

from eventapp.accounts import (
    api_tokens,
    email_rules,
    mail_requests,
    mail_tokens,
    rules,
    sessions,
    store,
    store_device_tokens,
    store_mail_tokens,
    store_recovery,
    store_sessions,
)
from eventapp.accounts.errors import TokenInvalid
from eventapp.accounts.types import StoredUser, UnfinishedReset
from eventapp.core import paging
from eventapp.core.access.emails import find_email_error
from eventapp.core.access.passwords import find_password_error, hash_password
from eventapp.core.access.sealing import Sealer
from eventapp.core.database import Db
from eventapp.core.errors import ValidationFailed
from eventapp.core.failpoints import failpoint
from eventapp.due_work.service import process_due
from eventapp.notifications import account_mails
from eventapp.notifications.account_mails import AccountMail

# How long a request may take to finish a reset before the job repeats it.
PATIENCE = timedelta(minutes=1)
# The most resets that one call finishes.
BATCH_SIZE = 100
# Returns accounts whose reset or change has begun before a moment.
UnfinishedFinder = Callable[[Db, datetime, int, Sequence[object]], list[StoredUser]]


def request_reset(db: Db, sealer: Sealer, email: str, now: datetime) -> None:
    """Ask for a mail with a link that resets the password of the account with this email.

    Raises:
        ValidationFailed: the text is not an email address.
    """
    if error := find_email_error(email):
        raise ValidationFailed("Invalid email", errors={"email": [error]})
    mail_requests.request_mail(db, sealer, rules.RESET, email=email, now=now)


def reset_password(
    db: Db, sealer: Sealer, *, token: str, new_password: str, now: datetime, bcrypt_rounds: int
) -> None:
    """Set a new password, end all other access, void mailed links, and tell the owner.

    All sessions, API tokens and door devices end. A pending email is dropped in the write of the
    password. The links that undo a change of the email which has taken effect stay valid.

    Args:
        bcrypt_rounds: the cost of the new hash.

    Raises:
        ValidationFailed: the new password is not valid. The token can still be used.
        TokenInvalid: the token is unknown, used, void or expired, or the account has another email
            address than the one that the token was mailed to.
    """
    if error := find_password_error(new_password, rules.MIN_PASSWORD):
        raise ValidationFailed("Invalid newPassword", errors={"newPassword": [error]})
    # Hashing takes long, so a token that is not valid does not cause it. It comes before the token
    # is used up, so that little can happen between that and the write of the password.
    mail_tokens.check(db, token, (rules.RESET,), now)
    hashed = hash_password(new_password, bcrypt_rounds)
    consumed = mail_tokens.consume(db, token, (rules.RESET,), now)
    reset: UnfinishedReset = {
        "resetId": ObjectId(),
        "startedAt": now,
        "sessions": store_sessions.count(db, consumed["userId"], now, limit=paging.COUNT_LIMIT),
        "apiTokens": len(api_tokens.list_tokens(db, consumed["userId"], now)),
        "devices": len(store_device_tokens.find_by_user(db, consumed["userId"])),
        "hasPendingEmail": _has_pending_email(db, consumed["userId"], now),
    }
    user = store_recovery.reset_password(
        db, consumed["userId"], consumed["emailKey"], hashed, reset
    )
    if user is None:
        raise TokenInvalid
    failpoint("password-reset")
    _finish(db, sealer, user, reset, now)


def _has_pending_email(db: Db, user_id: ObjectId, now: datetime) -> bool:
    user = store.find(db, user_id)
    return user is not None and email_rules.find_pending(user, now) is not None


def _finish(
    db: Db, sealer: Sealer, user: StoredUser, reset: UnfinishedReset, now: datetime
) -> None:
    """End what a reset ends, tell the owner, and remove the record of the reset."""
    store_sessions.delete_all(db, user["_id"])
    api_tokens.end_tokens(db, user["_id"])
    failpoint("reset-sessions-ended")
    # The owner must still be able to undo a change of the email that has taken effect.
    restorable = [each["emailKey"] for each in email_rules.list_restorable(user, now)]
    kept = {"purpose": rules.EMAIL_VOID, "emailKey": {"$in": restorable}}
    store_mail_tokens.void_all(db, user["_id"], rules.ENDED_BY_RESET, kept=kept)
    mail = AccountMail(
        key=f"{account_mails.PASSWORD_WAS_RESET}:{reset['resetId']}",
        kind=account_mails.PASSWORD_WAS_RESET,
        user_id=user["_id"],
        to=user["email"],
        facts={
            "sessions": reset["sessions"],
            "api_tokens": reset.get("apiTokens", 0),
            "devices": reset.get("devices", 0),
            "has_pending_email": reset.get("hasPendingEmail", False),
        },
        language=rules.get_language(user),
    )
    account_mails.queue(db, mail, sealer, now)
    failpoint("reset-told")
    store_recovery.finish_reset(db, user["_id"], reset["resetId"])


def finish_interrupted(db: Db, sealer: Sealer, now: datetime) -> int:
    """Finish the resets and changes of passwords that a process has left unfinished.

    Returns:
        How many were finished.
    """

    def finish_reset(user: StoredUser) -> int:
        _finish(db, sealer, user, user["unfinishedReset"], now)
        return 1

    def finish_change(user: StoredUser) -> int:
        sessions.finish_change(db, user["_id"], user["unfinishedChange"])
        return 1

    def finish(kind: str, find: UnfinishedFinder, handle: Callable[[StoredUser], int]) -> int:
        return process_due(
            db,
            kind,
            now,
            find=lambda limit, without: find(db, now - PATIENCE, limit, without),
            limit=BATCH_SIZE,
            get_key=lambda user: user["_id"],
            handle=handle,
        )

    resets = finish("password-reset", store_recovery.find_unfinished, finish_reset)
    return resets + finish("password-change", store_recovery.find_unfinished_changes, finish_change)
