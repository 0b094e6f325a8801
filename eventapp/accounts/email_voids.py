"""Void the change of an email address by the link that was mailed to the address before it.

The link also works for some days after the change took effect. Then it puts the address back and
ends all sessions. A link belongs to the address that it was mailed to, and undoes whatever happened
since the account left this address. So a second change does not void the link of the first.

The write that uses up the token also notes that its effect is unfinished, so a job repeats the rest
if the process dies. As for every change of an account, the account is written before its sessions
are deleted, see `sessions`.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import Enum

from eventapp.accounts import (
    email_rules,
    mail_tokens,
    rules,
    store,
    store_email_changes,
    store_mail_tokens,
    store_sessions,
)
from eventapp.accounts.email_changes import WRITE_ATTEMPTS
from eventapp.accounts.errors import EmailTaken, TokenInvalid
from eventapp.accounts.types import MailToken, StoredUser
from eventapp.core.database import Db
from eventapp.core.errors import TooManyRequests
from eventapp.core.failpoints import failpoint
from eventapp.due_work.service import process_due

# How long a request may take to finish before the job repeats it.
PATIENCE = timedelta(minutes=1)
# The most accounts or links that one call handles.
BATCH_SIZE = 100


class Outcome(Enum):
    """What a link that voids a change has done."""

    RESTORED = "the address was put back"
    CANCELLED = "the pending address was removed"
    NOTHING = "there was nothing to undo"


def void_change(db: Db, token: str, now: datetime) -> Outcome:
    """Void the change of an address by the token that was mailed to the address before it.

    Returns:
        RESTORED or CANCELLED.

    Raises:
        TokenInvalid: the token is unknown, used, void or expired, or there is nothing to undo.
        EmailTaken: another account has the address that would be put back.
    """
    used = mail_tokens.consume(db, token, (rules.EMAIL_VOID,), now, is_noted=True)
    failpoint("void-link-used")
    outcome = _apply(db, used, now)
    if outcome is Outcome.NOTHING:
        raise TokenInvalid
    return outcome


def _apply(db: Db, used: MailToken, now: datetime, *, is_repeated: bool = False) -> Outcome:
    """Undo a change, end the sessions, and remove the note about it.

    Args:
        is_repeated: whether a process may have died after it has put the address back. Then the
            sessions are ended in any case.
    """
    try:
        outcome = _undo(db, used, now)
    except EmailTaken:
        store_mail_tokens.finish_use(db, used["_id"])
        raise
    if outcome is Outcome.RESTORED or is_repeated:
        failpoint("email-restored")
        store_sessions.delete_all(db, used["userId"])
        failpoint("void-sessions-ended")
    store_mail_tokens.finish_use(db, used["_id"])
    return outcome


def _undo(db: Db, used: MailToken, now: datetime) -> Outcome:
    for _attempt in range(WRITE_ATTEMPTS):
        user = store.find(db, used["userId"])
        changes = email_rules.undo(user, used["emailKey"], now) if user else None
        if user is None or changes is None:
            return Outcome.NOTHING
        try:
            if store.update(db, user["_id"], {**changes, "updatedAt": now}, unchanged_since=user):
                return Outcome.RESTORED if "email" in changes else Outcome.CANCELLED
        except store.TakenError:
            raise EmailTaken from None
    # The note about the token stays, so the job tries again.
    raise TooManyRequests("The account is being changed", retry_after=60)


def finish_interrupted(db: Db, now: datetime) -> int:
    """Finish what processes have left unfinished, and forget addresses whose time is over.

    Returns:
        How many links and accounts were handled.
    """

    def finish(used: MailToken) -> int:
        _apply(db, used, now, is_repeated=True)
        return 1

    def clean_up(user: StoredUser) -> int:
        changes = email_rules.drop_expired(user, now)
        # If another request has changed the account since it was read, the next run finds it again.
        return int(store.update(db, user["_id"], changes, unchanged_since=user) is not None)

    def find_users(limit: int, without: Sequence[object]) -> list[StoredUser]:
        return store_email_changes.find_expired(db, now, limit, without)

    finished = process_due(
        db,
        "email-void",
        now,
        find=lambda limit, without: store_mail_tokens.find_unfinished(
            db, now - PATIENCE, limit, without
        ),
        limit=BATCH_SIZE,
        get_key=lambda used: used["_id"],
        handle=finish,
    )
    return finished + process_due(
        db,
        "email-expiry",
        now,
        find=find_users,
        limit=BATCH_SIZE,
        get_key=lambda user: user["_id"],
        handle=clean_up,
    )
