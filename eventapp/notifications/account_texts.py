"""Compose the texts of mails about an account.

They hold no name and no title: an address that is not verified may belong to somebody else, who
must not read what another person has typed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from eventapp.notifications.texts import MailTexts
from eventapp.notifications.types import AccountFacts

# Translates an English text.
GetText: TypeAlias = Callable[[str], str]

PASSWORD_RESET, PASSWORD_WAS_RESET = "password_reset", "password_was_reset"
EMAIL_VERIFICATION, NAMES_SHOWN = "email_verification", "names_shown"
NEW_EMAIL, EMAIL_CHANGE = "new_email", "email_change"
TEAM_INVITATION = "team_invitation"
KINDS = (
    *(PASSWORD_RESET, PASSWORD_WAS_RESET, EMAIL_VERIFICATION, NAMES_SHOWN),
    *(NEW_EMAIL, EMAIL_CHANGE, TEAM_INVITATION),
)


@dataclass(frozen=True)
class AccountText:
    """The text of a kind of mail in one language.

    Attributes:
        subject: one line.
        message: what has happened, in one or two sentences.
        link_text: the words of the link; empty for a mail without a link.
        closing: what follows the details; may be empty.
    """

    subject: str
    message: str
    link_text: str = ""
    closing: str = ""


def _write_email_verification(gettext: GetText) -> AccountText:
    return AccountText(
        gettext("Verify your email address"),
        gettext(
            "An account was registered with this address. If that was you, open this link"
            " within three days to verify the address. If not, ignore this mail: without the"
            " link, the account gets nothing but mails about what it books."
        ),
        link_text=gettext("Verify this address"),
    )


def _write_names_shown(gettext: GetText) -> AccountText:
    return AccountText(
        gettext("Organizers see who books their events"),
        gettext(
            "From now on, the organizer of an event, and those who help them, see the name and"
            " the email address of everybody who booked tickets or waits for them. You have such"
            " a booking or a place on a waitlist from before."
        ),
        closing=gettext(
            "Nobody else sees them. If you do not want this, cancel the booking or leave the"
            " waitlist, or delete your account."
        ),
    )


def _write_new_email(gettext: GetText) -> AccountText:
    return AccountText(
        gettext("Verify your new email address"),
        gettext(
            "Somebody asked to use this address for an account. If that was you, open this link"
            " within three days to verify the address: then it takes the place of the old one."
            " If not, ignore this mail: without the link, you get no other."
        ),
        link_text=gettext("Verify this address"),
    )


def _write_email_change(gettext: GetText) -> AccountText:
    return AccountText(
        gettext("Your email address is being changed"),
        gettext(
            "Somebody asked to use another email address for your account. If that was you,"
            " ignore this mail. If not, open this link to void the change. It also works for 7"
            " days after the change took effect: then it puts this address back and ends all"
            " sessions."
        ),
        link_text=gettext("Void the change"),
        closing=gettext(
            "If it was not you, choose a new password afterwards: somebody may know yours."
        ),
    )


def _write_password_reset(gettext: GetText) -> AccountText:
    return AccountText(
        gettext("Choose a new password"),
        gettext(
            "Somebody asked for a new password for your account. If that was you, open this"
            " link within an hour and choose one. If not, ignore this mail: your password stays"
            " as it is."
        ),
        link_text=gettext("Choose a new password"),
    )


def _write_password_was_reset(gettext: GetText) -> AccountText:
    return AccountText(
        gettext("Your password was reset"),
        gettext(
            "The password of your account was reset by a link that was mailed to this address."
            " This has ended:"
        ),
        closing=gettext(
            "If it was not you, somebody can read your mail: secure your mailbox first, and"
            " then reset the password again."
        ),
    )


def _write_team_invitation(gettext: GetText) -> AccountText:
    return AccountText(
        gettext("You are invited to a team"),
        gettext(
            "An organizer invites you to help with events. If you expect that, open this link"
            " within seven days and sign in with the account of this address; register it first"
            " if there is none. The organizer will see your name and this address. If you do not"
            " expect it, ignore this mail."
        ),
        link_text=gettext("Join the team"),
    )


_WRITERS: dict[str, Callable[[GetText], AccountText]] = {
    EMAIL_VERIFICATION: _write_email_verification,
    NAMES_SHOWN: _write_names_shown,
    NEW_EMAIL: _write_new_email,
    EMAIL_CHANGE: _write_email_change,
    PASSWORD_RESET: _write_password_reset,
    PASSWORD_WAS_RESET: _write_password_was_reset,
    TEAM_INVITATION: _write_team_invitation,
}


def _list_ended(facts: AccountFacts, texts: MailTexts) -> list[str]:
    """Return what a reset of the password has ended, a line each."""
    if "sessions" not in facts:
        return []
    lines = [
        texts.ngettext(
            "%(num)s session: wherever you were signed in, also in the Android app",
            "%(num)s sessions: wherever you were signed in, also in the Android app",
            facts["sessions"],
        )
    ]
    if api_tokens := facts.get("api_tokens"):
        lines.append(
            texts.ngettext(
                "%(num)s API token of your account",
                "%(num)s API tokens of your account",
                api_tokens,
            )
        )
    if devices := facts.get("devices"):
        lines.append(
            texts.ngettext(
                "%(num)s door device that you have paired",
                "%(num)s door devices that you have paired",
                devices,
            )
        )
    if facts.get("has_pending_email"):
        lines.append(texts.gettext("a change of your email address that was not verified yet"))
    return [
        *lines,
        texts.gettext(
            "every link in an earlier mail about your account, but not one that puts an address"
            " back"
        ),
    ]


def get_text(kind: str, texts: MailTexts) -> AccountText:
    """Return the text of a kind of mail in the language of `texts`."""
    return _WRITERS[kind](texts.gettext)


def make_context(
    text: AccountText, facts: AccountFacts, link: str, texts: MailTexts
) -> dict[str, object]:
    """Return the values that the templates `account.txt` and `account.html` show.

    Args:
        link: the URL of the link; empty for none.
    """
    return {
        "texts": texts,
        "name": "",
        "subject": text.subject,
        "message": text.message,
        "lines": _list_ended(facts, texts),
        "closing": text.closing,
        "link": link,
        "link_text": text.link_text,
    }
