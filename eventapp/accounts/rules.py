"""What an account must look like, and when a refresh token is honest. Pure decisions."""

import unicodedata
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from eventapp.core.textsearch import fold_account_name

ATTENDEE, ORGANIZER, ADMIN = "attendee", "organizer", "admin"
ROLES = (ATTENDEE, ORGANIZER, ADMIN)
SIGN_UP_ROLES = (ATTENDEE, ORGANIZER)

MAX_NAME, MAX_ABOUT, MAX_URL = 100, 2000, 2000
MIN_PASSWORD, MAX_PASSWORD_BYTES = 8, 72
RETRY_WINDOW = timedelta(seconds=5)

PUBLIC_FIELDS = (
    "_id",
    "name",
    "email",
    "role",
    "about",
    "userImg",
    "createdAt",
    "updatedAt",
    "__v",
)


def name_fault(name: str) -> str | None:
    """What is wrong with a name, None when nothing is."""
    if not 1 <= len(name) <= MAX_NAME or not fold_account_name(name):
        return f"Must have 1 to {MAX_NAME} characters."
    return _control_fault(name)


def password_fault(password: str, minimum: int = MIN_PASSWORD) -> str | None:
    """What is wrong with a new password of at least `minimum` characters, None when nothing is."""
    if len(password) < minimum:
        return f"Must have at least {minimum} characters."
    if len(password.encode()) > MAX_PASSWORD_BYTES:  # bcrypt reads no further
        return f"Must have at most {MAX_PASSWORD_BYTES} bytes."
    return _control_fault(password)


def _control_fault(text: str) -> str | None:
    bad = any(unicodedata.category(char) in ("Cc", "Cs") for char in text)
    return "Must not hold control characters." if bad else None


def public(user: Mapping[str, Any]) -> dict[str, Any]:
    """What anyone who may see the account sees of it; never a hash."""
    return {name: user[name] for name in PUBLIC_FIELDS}


def is_honest_retry(session: Mapping[str, Any], token_id: str, now: datetime) -> bool:
    """True where an already used refresh token may have its successor once more.

    It must be the one just replaced, within seconds, and nobody may have used the successor yet:
    then the answer was lost on its way, or the client refreshed twice at once. `previousId` is
    gone as soon as the successor is used.
    """
    return session.get("previousId") == token_id and now - session["rotatedAt"] <= RETRY_WINDOW
