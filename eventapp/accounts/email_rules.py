"""Decide what a change of an email address does to an account, and what its links still undo.

A new address is pending until it is verified. When it takes effect, the address before it is kept
in `previous` for RESTORABLE, because the link that was mailed there can put it back. Nobody else
can take such an address meanwhile: it stays in `claimedEmailKeys`, which is unique. Every function
returns what one write sets, with a new revision, so that a write of another process is noticed.
"""

import math
import unicodedata
from collections.abc import Sequence
from datetime import datetime, timedelta

from eventapp.accounts import rules
from eventapp.accounts.types import (
    EmailChanges,
    PendingEmail,
    PendingMails,
    PreviousEmail,
    StoredUser,
    UserChanges,
)

# How long after a change took effect the link in the mail to the old address undoes it.
RESTORABLE = timedelta(days=7)
# The most addresses of an account that can be put back at a time.
MAX_PREVIOUS = 10


def is_other_email(user: StoredUser, email: str) -> bool:
    """Return whether an address is another than that of an account, if only in its spelling."""
    return unicodedata.normalize("NFC", user["email"]) != email


def get_revision(user: StoredUser) -> int | None:
    """Return the number of the last write of the email of an account; None if it never changed."""
    return user.get("emailChanges", {}).get("revision")


def find_pending(user: StoredUser, now: datetime) -> PendingEmail | None:
    """Return the address of an account that waits for its verification, None without one."""
    pending = user.get("emailChanges", {}).get("pending")
    return pending if pending and pending["expiresAt"] > now else None


def get_pending_email(user: StoredUser) -> str | None:
    """Return the pending address of an account, which a job removes when its time is over."""
    pending = user.get("emailChanges", {}).get("pending")
    return pending["email"] if pending else None


def list_restorable(user: StoredUser, now: datetime) -> list[PreviousEmail]:
    """Return the addresses that a mailed link can still put back, the oldest first."""
    previous = user.get("emailChanges", {}).get("previous", [])
    return [each for each in previous if each["restorableUntil"] > now]


def find_wait(user: StoredUser, now: datetime) -> int:
    """Return the seconds until an account may ask for another change, 0 if it may do so now."""
    asked_at, restorable = _list_asked(user, now), list_restorable(user, now)
    until = now
    if len(asked_at) >= rules.MAX_MAILS:
        until = asked_at[-rules.MAX_MAILS] + rules.MAILS_WINDOW
    if len(restorable) >= MAX_PREVIOUS:
        until = max(until, restorable[0]["restorableUntil"])
    return math.ceil((until - now).total_seconds())


def begin(user: StoredUser, pending: PendingEmail, now: datetime) -> UserChanges:
    """Make an address pending, in place of another pending one."""
    return {"emailChanges": _make_changes(user, now, pending, is_asked=True)}


def ask_again(
    user: StoredUser, pending: PendingEmail, mails: PendingMails, now: datetime
) -> UserChanges:
    """Ask for another mail that verifies the pending address."""
    again: PendingEmail = {**pending, "mails": mails}
    return {"emailChanges": _make_changes(user, now, again, is_asked=True)}


def complete(user: StoredUser, pending: PendingEmail, now: datetime) -> UserChanges:
    """Replace the address of an account by its pending one, which was verified."""
    left: PreviousEmail = {
        "email": user["email"],
        "emailKey": user["emailKey"],
        # Accounts of older versions lack the field. Whoever uses the link reads the mail there.
        "emailVerified": user.get("emailVerified", True),
        "restorableUntil": now + RESTORABLE,
    }
    return {
        **_make_address(pending["email"], pending["emailKey"], is_verified=True),
        **_make_history(
            user, pending["emailKey"], [*list_restorable(user, now), left], pending=None, now=now
        ),
    }


def replace_at_once(user: StoredUser, email: str, email_key: str, now: datetime) -> UserChanges:
    """Replace the address of an account where no mail can be sent."""
    return {
        **_make_address(email, email_key, is_verified=False),
        **_make_history(user, email_key, list_restorable(user, now), pending=None, now=now),
    }


def undo(user: StoredUser, email_key: str, now: datetime) -> UserChanges | None:
    """Undo every change since an account left an address, also one that is still pending.

    What came after the address is forgotten with its links, so that nobody can redo the change by
    the link that was mailed to the next address.

    Args:
        email_key: the key of the address to which the link was mailed.

    Returns:
        What to set; with an `email` if a change had taken effect. None if there is nothing to undo.
    """
    restorable = list_restorable(user, now)
    keys = [each["emailKey"] for each in restorable]
    if email_key in keys:
        position = keys.index(email_key)
        left = restorable[position]
        return {
            **_make_address(left["email"], email_key, is_verified=left["emailVerified"]),
            **_make_history(user, email_key, restorable[:position], pending=None, now=now),
        }
    if user["emailKey"] == email_key and find_pending(user, now):
        return {"emailChanges": _make_changes(user, now, None)}
    return None


def drop_expired(user: StoredUser, now: datetime) -> UserChanges:
    """Forget a pending address that was not verified in time, and what cannot be put back."""
    pending = find_pending(user, now)
    return _make_history(user, user["emailKey"], list_restorable(user, now), pending, now)


def _make_address(email: str, email_key: str, *, is_verified: bool) -> UserChanges:
    return {"email": email, "emailKey": email_key, "emailVerified": is_verified}


def _make_history(
    user: StoredUser,
    email_key: str,
    previous: Sequence[PreviousEmail],
    pending: PendingEmail | None,
    now: datetime,
) -> UserChanges:
    keys = (email_key, *(each["emailKey"] for each in previous))
    return {
        "claimedEmailKeys": list(dict.fromkeys(keys)),
        "emailChanges": _make_changes(user, now, pending, previous),
    }


def _make_changes(
    user: StoredUser,
    now: datetime,
    pending: PendingEmail | None,
    previous: Sequence[PreviousEmail] | None = None,
    *,
    is_asked: bool = False,
) -> EmailChanges:
    """Return the next `emailChanges` of an account.

    Args:
        previous: the addresses that can be put back; None for those that are stored.
        is_asked: whether mails are asked for now.
    """
    if previous is None:
        previous = user.get("emailChanges", {}).get("previous", [])
    changes: EmailChanges = {
        "revision": (get_revision(user) or 0) + 1,
        "askedAt": [*_list_asked(user, now), *([now] if is_asked else [])],
        "previous": list(previous),
    }
    ends = [each["restorableUntil"] for each in previous]
    if pending:
        changes["pending"] = pending
        ends.append(pending["expiresAt"])
    if ends:
        changes["cleanUpAt"] = min(ends)
    return changes


def _list_asked(user: StoredUser, now: datetime) -> list[datetime]:
    return rules.list_recent(user.get("emailChanges", {}).get("askedAt", []), now)
