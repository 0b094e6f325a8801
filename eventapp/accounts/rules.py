"""Decide which names are valid, which tokens may be used again, and how many mails are sent."""

import re
import unicodedata
from collections.abc import Iterable
from datetime import datetime, timedelta

from eventapp.accounts.types import StoredSession, StoredUser, UserContact
from eventapp.core.languages import DEFAULT_LANGUAGE
from eventapp.core.roles import ATTENDEE, ORGANIZER
from eventapp.core.textsearch import fold_account_name

SIGN_UP_ROLES = (ATTENDEE, ORGANIZER)

MAX_NAME, MAX_ABOUT, MAX_URL = 100, 2000, 2000  # characters
MAX_UNSUBSCRIBED = 1000  # organizers whose announcements a user does not want
MIN_PASSWORD = 8  # characters
# How long after a refresh the replaced refresh token may be sent again.
RETRY_WINDOW = timedelta(seconds=5)
# How exactly the last use of a session is recorded.
USE_RESOLUTION = timedelta(minutes=5)
MAX_CLIENT = 40  # characters of the name of a client
# What the User-Agent of a browser or system contains, and its name. The first that fits is taken,
# because browsers also name those that they are compatible with.
_BROWSERS = (
    *(("okhttp/", "Android app"), ("Edg", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox")),
    *(("FxiOS/", "Firefox"), ("Chrome/", "Chrome"), ("CriOS/", "Chrome"), ("Safari/", "Safari")),
)
_SYSTEMS = (
    *(("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows")),
    *(("Macintosh", "Mac"), ("Linux", "Linux")),
)
_PRODUCT = re.compile(r"[A-Za-z][\w.-]*")
# The purposes of tokens in mails. They are parts of stored ids.
RESET, VERIFICATION, NEW_EMAIL, EMAIL_VOID = "reset", "verification", "new-email", "email-void"
# How long a token is valid, by its purpose. A token that voids a change of the email is valid for
# longer than there can be something to undo: see `email_rules`.
TOKEN_LIFETIMES = {
    RESET: timedelta(hours=1),
    VERIFICATION: timedelta(days=3),
    NEW_EMAIL: timedelta(days=3),
    EMAIL_VOID: timedelta(days=11),
}
# The kind of the mail that holds a token, by its purpose.
MAIL_KINDS = {
    RESET: "password_reset",
    VERIFICATION: "email_verification",
    NEW_EMAIL: "new_email",
    EMAIL_VOID: "email_change",
}
# The purposes whose tokens become void when the password is reset. Of those of EMAIL_VOID, the ones
# that can put an address back stay valid.
ENDED_BY_RESET = (RESET, VERIFICATION, NEW_EMAIL, EMAIL_VOID)
# The purposes whose mails are limited together, when a change of the email is asked for.
OF_EMAIL_CHANGES = (NEW_EMAIL, EMAIL_VOID)
# The most mails with tokens for one purpose that an account gets within any time of this length.
MAX_MAILS, MAILS_WINDOW = 3, timedelta(hours=1)


def find_name_error(name: str) -> str | None:
    """Return the error of an invalid name, None if the name is valid."""
    if not 1 <= len(name) <= MAX_NAME or not fold_account_name(name):
        return f"Must have 1 to {MAX_NAME} characters."
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in name):
        return "Must not hold control characters."
    return None


def find_new_name_error(name: str) -> str | None:
    """Return the error of a name that an account takes now, None if the name is valid.

    A name with an `@` could be taken for the email of another account. Older names may have one.
    """
    return "Must not hold @." if "@" in fold_account_name(name) else find_name_error(name)


def get_language(user: StoredUser | UserContact) -> str:
    """Return the language of the mails to a user."""
    return user.get("language", DEFAULT_LANGUAGE)


def is_honest_retry(session: StoredSession, refresh_id: str, now: datetime) -> bool:
    """Return True if a refresh token that was used already may be used once more.

    The last refresh must have replaced this token, no longer than RETRY_WINDOW ago, and the
    successor of the token must be unused. Then either the client never received the successor, or
    it sent two refreshes at the same time. `previousId` is removed as soon as the successor is
    used, so that a stolen token is not taken for a retry.

    Args:
        refresh_id: the `rid` claim of the refresh token.
    """
    return session.get("previousId") == refresh_id and now - session["rotatedAt"] <= RETRY_WINDOW


def list_recent(sent_at: Iterable[datetime], now: datetime) -> list[datetime]:
    """Return those of the times of mails that count towards MAX_MAILS."""
    return [each for each in sent_at if now - each < MAILS_WINDOW]


def is_use_due(last_used_at: datetime | None, now: datetime) -> bool:
    """Return whether a use of a session is recorded now. `last_used_at` is the last record."""
    return last_used_at is None or now - last_used_at >= USE_RESOLUTION


def describe_client(user_agent: str) -> str:
    """Return a short form of a User-Agent, such as `Firefox on Linux`; empty if it has none."""
    browser = next((name for part, name in _BROWSERS if part in user_agent), None)
    if browser is None:
        product = _PRODUCT.match(user_agent)
        return product[0][:MAX_CLIENT] if product else ""
    system = next((name for part, name in _SYSTEMS if part in user_agent), None)
    return f"{browser} on {system}" if system else browser
