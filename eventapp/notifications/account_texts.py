"""Compose the texts of mails about an account, in each language.

They hold no name and no title: an address that is not verified may belong to somebody else, who
must not read what another person has typed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from eventapp.core.languages import ENGLISH, GREEK
from eventapp.notifications import texts
from eventapp.notifications.types import AccountFacts

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
        link_text: the words of the link in the HTML body; empty for a mail without a link.
        closing: what follows the details; may be empty.
    """

    subject: str
    message: str
    link_text: str = ""
    closing: str = ""


_ENGLISH_TEXTS: dict[str, AccountText] = {
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
    TEAM_INVITATION: AccountText(
        "You are invited to a team",
        "An organizer invites you to help with events. If you expect that, open this link within "
        "seven days and sign in with the account of this address; register it first if there is "
        "none. The organizer will see your name and this address. If you do not expect it, ignore "
        "this mail.",
        "Join the team",
    ),
}
_GREEK_TEXTS: dict[str, AccountText] = {
    EMAIL_VERIFICATION: AccountText(
        "Επιβεβαιώστε τη διεύθυνση email σας",
        "Δημιουργήθηκε λογαριασμός με αυτή τη διεύθυνση. Αν ήσασταν εσείς, ανοίξτε αυτόν τον "
        "σύνδεσμο μέσα σε τρεις ημέρες για να επιβεβαιώσετε τη διεύθυνση. Αν όχι, αγνοήστε αυτό το "
        "μήνυμα: χωρίς τον σύνδεσμο, ο λογαριασμός λαμβάνει μηνύματα μόνο για όσα κλείνει.",
        "Επιβεβαίωση της διεύθυνσης",
    ),
    NAMES_SHOWN: AccountText(
        "Οι διοργανωτές βλέπουν ποιος κλείνει τις εκδηλώσεις τους",
        "Από εδώ και πέρα, ο διοργανωτής μιας εκδήλωσης και όσοι τον βοηθούν βλέπουν το όνομα και "
        "τη διεύθυνση email όσων έκλεισαν εισιτήρια ή περιμένουν για αυτά. Έχετε μια τέτοια "
        "κράτηση ή θέση σε λίστα αναμονής από παλιότερα.",
        closing="Κανείς άλλος δεν τα βλέπει. Αν δεν το θέλετε, ακυρώστε την κράτηση ή αποχωρήστε "
        "από τη λίστα αναμονής, ή διαγράψτε τον λογαριασμό σας.",
    ),
    NEW_EMAIL: AccountText(
        "Επιβεβαιώστε τη νέα διεύθυνση email σας",
        "Κάποιος ζήτησε να χρησιμοποιηθεί αυτή η διεύθυνση για έναν λογαριασμό. Αν ήσασταν εσείς, "
        "ανοίξτε αυτόν τον σύνδεσμο μέσα σε τρεις ημέρες για να επιβεβαιώσετε τη διεύθυνση: τότε "
        "παίρνει τη θέση της παλιάς. Αν όχι, αγνοήστε αυτό το μήνυμα: χωρίς τον σύνδεσμο, δεν θα "
        "λάβετε άλλο.",
        "Επιβεβαίωση της διεύθυνσης",
    ),
    EMAIL_CHANGE: AccountText(
        "Η διεύθυνση email σας αλλάζει",
        "Κάποιος ζήτησε να χρησιμοποιηθεί άλλη διεύθυνση email για τον λογαριασμό σας. Αν ήσασταν "
        "εσείς, αγνοήστε αυτό το μήνυμα. Αν όχι, ανοίξτε αυτόν τον σύνδεσμο για να ακυρώσετε την "
        "αλλαγή. Ισχύει και για 7 ημέρες αφότου γίνει η αλλαγή: τότε επαναφέρει αυτή τη διεύθυνση "
        "και τερματίζει όλες τις συνδέσεις.",
        "Ακύρωση της αλλαγής",
        closing="Αν δεν ήσασταν εσείς, επιλέξτε έπειτα νέο κωδικό πρόσβασης: ίσως κάποιος γνωρίζει "
        "τον δικό σας.",
    ),
    PASSWORD_RESET: AccountText(
        "Επιλέξτε νέο κωδικό πρόσβασης",
        "Κάποιος ζήτησε νέο κωδικό πρόσβασης για τον λογαριασμό σας. Αν ήσασταν εσείς, ανοίξτε "
        "αυτόν τον σύνδεσμο μέσα σε μία ώρα και επιλέξτε έναν. Αν όχι, αγνοήστε αυτό το μήνυμα: ο "
        "κωδικός σας μένει όπως είναι.",
        "Επιλογή νέου κωδικού πρόσβασης",
    ),
    PASSWORD_WAS_RESET: AccountText(
        "Ο κωδικός πρόσβασής σας άλλαξε",
        "Ο κωδικός πρόσβασης του λογαριασμού σας άλλαξε με έναν σύνδεσμο που στάλθηκε σε αυτή τη "
        "διεύθυνση. Τερματίστηκαν:",
        closing="Αν δεν ήσασταν εσείς, κάποιος μπορεί να διαβάσει τα μηνύματά σας: ασφαλίστε πρώτα "
        "το γραμματοκιβώτιό σας και έπειτα αλλάξτε ξανά τον κωδικό πρόσβασης.",
    ),
    TEAM_INVITATION: AccountText(
        "Σας προσκαλούν σε μια ομάδα",
        "Ένας διοργανωτής σας προσκαλεί να βοηθήσετε με εκδηλώσεις. Αν το περιμένατε, ανοίξτε "
        "αυτόν τον σύνδεσμο μέσα σε επτά ημέρες και συνδεθείτε με τον λογαριασμό αυτής της "
        "διεύθυνσης· αν δεν υπάρχει, δημιουργήστε τον πρώτα. Ο διοργανωτής θα βλέπει το όνομά σας "
        "και αυτή τη διεύθυνση. Αν δεν το περιμένατε, αγνοήστε αυτό το μήνυμα.",
        "Συμμετοχή στην ομάδα",
    ),
}
# A text that is missing in Greek, which a test refuses, is sent in English all the same.
TEXTS: Mapping[str, Mapping[str, AccountText]] = {
    ENGLISH: _ENGLISH_TEXTS,
    GREEK: {**_ENGLISH_TEXTS, **_GREEK_TEXTS},
}


def _list_ended(facts: AccountFacts, language: texts.Language) -> list[str]:
    """Return what a reset of the password has ended, a line each."""
    if "sessions" not in facts:
        return []
    lines = [language.say("ended.sessions", facts["sessions"])]
    if api_tokens := facts.get("api_tokens"):
        lines.append(language.say("ended.api_tokens", api_tokens))
    if devices := facts.get("devices"):
        lines.append(language.say("ended.devices", devices))
    if facts.get("has_pending_email"):
        lines.append(language.say("ended.pending_email"))
    return [*lines, language.say("ended.links")]


def get_text(kind: str, language: str) -> AccountText:
    """Return the text of a kind of mail in a language, one of core.languages.LANGUAGES."""
    return TEXTS[language][kind]


def make_context(
    text: AccountText, facts: AccountFacts, link: str, language_code: str
) -> dict[str, object]:
    """Return the values that the templates `account.txt` and `account.html` show.

    Args:
        link: the URL of the link; empty for none.
    """
    language = texts.LANGUAGES[language_code]
    return {
        "language": language,
        "name": "",
        "subject": text.subject,
        "message": text.message,
        "lines": _list_ended(facts, language),
        "closing": text.closing,
        "link": link,
        "link_text": text.link_text,
    }
