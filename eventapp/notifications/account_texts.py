"""Compose the texts of mails about an account, in each language.

They hold no name and no title: an address that is not verified may belong to somebody else, who
must not read what another person has typed.
"""

from dataclasses import dataclass

from eventapp.notifications.types import AccountFacts

PASSWORD_RESET, PASSWORD_WAS_RESET = "password_reset", "password_was_reset"
EMAIL_VERIFICATION, NAMES_SHOWN = "email_verification", "names_shown"
NEW_EMAIL, EMAIL_CHANGE = "new_email", "email_change"
KINDS = (
    *(PASSWORD_RESET, PASSWORD_WAS_RESET, EMAIL_VERIFICATION, NAMES_SHOWN),
    *(NEW_EMAIL, EMAIL_CHANGE),
)


@dataclass(frozen=True)
class AccountText:
    """The text of a kind of mail in one language.

    Attributes:
        subject: one line.
        message: what has happened, in one or two sentences.
        link_text: the words of the link in the HTML body; empty for a mail without a link.
        closing: what follows the details; may be empty.
    """

    subject: str
    message: str
    link_text: str = ""
    closing: str = ""


_TEXTS: dict[str, AccountText] = {
    EMAIL_VERIFICATION: AccountText(
        "Verify your email address",
        "An account was registered with this address. If that was you, open this link within three "
        "days to verify the address. If not, ignore this mail: without the link, the account gets "
        "nothing but mails about what it books.",
        "Verify this address",
    ),
    NAMES_SHOWN: AccountText(
        "Organizers see who books their events",
        "From now on, the organizer of an event, and those who help them, see the name and the "
        "email address of everybody who booked tickets or waits for them. You have such a booking "
        "or a place on a waitlist from before.",
        closing="Nobody else sees them. If you do not want this, cancel the booking or leave the "
        "waitlist, or delete your account.",
    ),
    NEW_EMAIL: AccountText(
        "Verify your new email address",
        "Somebody asked to use this address for an account. If that was you, open this link within "
        "three days to verify the address: then it takes the place of the old one. If not, ignore "
        "this mail: without the link, you get no other.",
        "Verify this address",
    ),
    EMAIL_CHANGE: AccountText(
        "Your email address is being changed",
        "Somebody asked to use another email address for your account. If that was you, ignore "
        "this mail. If not, open this link to void the change. It also works for 7 days after the "
        "change took effect: then it puts this address back and ends all sessions.",
        "Void the change",
        closing="If it was not you, choose a new password afterwards: somebody may know yours.",
    ),
    PASSWORD_RESET: AccountText(
        "Choose a new password",
        "Somebody asked for a new password for your account. If that was you, open this link "
        "within an hour and choose one. If not, ignore this mail: your password stays as it is.",
        "Choose a new password",
    ),
    PASSWORD_WAS_RESET: AccountText(
        "Your password was reset",
        "The password of your account was reset by a link that was mailed to this address. "
        "This has ended:",
        closing="If it was not you, somebody can read your mail: secure your mailbox first, and "
        "then reset the password again.",
    ),
}
_GREETING = "Hello"


def _list_ended(facts: AccountFacts) -> list[str]:
    """Return what a reset of the password has ended, a line each."""
    if "sessions" not in facts:
        return []
    lines = [
        f"{_count(facts['sessions'], 'session')}: wherever you were signed in, also in the Android "
        "app",
    ]
    if api_tokens := facts.get("api_tokens"):
        lines.append(f"{_count(api_tokens, 'API token')} of your account")
    if devices := facts.get("devices"):
        lines.append(f"{_count(devices, 'door device')} that you have paired")
    if facts.get("has_pending_email"):
        lines.append("a change of your email address that was not verified yet")
    return [
        *lines,
        "every link in an earlier mail about your account, but not one that puts an address back",
    ]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def get_text(kind: str) -> AccountText:
    """Return the text of a kind of mail."""
    return _TEXTS[kind]


def make_context(text: AccountText, facts: AccountFacts, link: str) -> dict[str, object]:
    """Return the values that the templates `account.txt` and `account.html` show.

    Args:
        link: the URL of the link; empty for none.
    """
    return {
        "greeting": _GREETING,
        "subject": text.subject,
        "message": text.message,
        "lines": _list_ended(facts),
        "closing": text.closing,
        "link": link,
        "link_text": text.link_text,
    }
