"""Store the mails about an account in the outbox, sealed where they hold a token.

Whoever reads the database or a backup of it must not find a token that still works. So both bodies
of such a mail are stored encrypted until the mail is sent or given up, and then deleted.
"""

import json
from dataclasses import dataclass, field
from datetime import datetime

from bson import ObjectId

from eventapp.core.access.sealing import CannotOpen, Sealer
from eventapp.core.database import Db
from eventapp.core.languages import DEFAULT_LANGUAGE
from eventapp.notifications import account_texts, rules, store_outbox
from eventapp.notifications.mail_templates import render_template
from eventapp.notifications.texts import get_mail_texts
from eventapp.notifications.types import AccountFacts, MailStatus, QueuedMail

TEMPLATE = "account"
# Re-exported for other features, which cannot import the rules.
PASSWORD_WAS_RESET, NAMES_SHOWN = account_texts.PASSWORD_WAS_RESET, account_texts.NAMES_SHOWN
TEAM_INVITATION = account_texts.TEAM_INVITATION


@dataclass(frozen=True)
class AccountMail:
    """A mail about an account, before it is stored.

    Attributes:
        key: identifies the occasion. A mail with the same key is stored only once.
        kind: one of account_texts.KINDS.
        user_id: the account.
        to: the address, which need not be the one of the account.
        link: a URL with a token; empty for a mail without one.
        valid_until: when the link expires; None for a mail without one.
        language: of the mail, one of core.languages.LANGUAGES.
    """

    key: str
    kind: str
    user_id: ObjectId
    to: str
    link: str = ""
    valid_until: datetime | None = None
    language: str = DEFAULT_LANGUAGE
    facts: AccountFacts = field(default_factory=AccountFacts)


def queue(db: Db, mail: AccountMail, sealer: Sealer, now: datetime) -> None:
    """Store a mail in the outbox, unless its key is stored already. It is due at once.

    Args:
        sealer: encrypts the bodies if the mail has a link, because the link holds a token.
    """
    texts = get_mail_texts(mail.language)
    text = account_texts.get_text(mail.kind, texts)
    context = account_texts.make_context(text, mail.facts, mail.link, texts)
    bodies = {each: render_template(f"{TEMPLATE}.{each}", context) for each in ("txt", "html")}
    stored: QueuedMail = {
        "_id": ObjectId(),
        "key": mail.key,
        "userId": mail.user_id,
        "to": mail.to,
        "language": mail.language,
        "kind": mail.kind,
        "subject": text.subject,
        "text": "" if mail.link else bodies["txt"],
        "html": "" if mail.link else bodies["html"],
        "attachments": [],
        "status": rules.QUEUED,
        "attempts": 0,
        "createdAt": now,
        "nextTryAt": now,
    }
    if mail.link:
        stored["sealed"] = sealer.seal(json.dumps(bodies), mail.key)
    if mail.valid_until:
        stored["validUntil"] = mail.valid_until
    store_outbox.insert_mails(db, [stored])


def find_status(db: Db, key: str) -> MailStatus | None:
    """Return the status of the mail with this key; None if it is not stored."""
    return store_outbox.find_status(db, key)


def was_sent(status: MailStatus) -> bool:
    """Return whether a mail was sent or, where no mail server is set, logged."""
    return status in (rules.SENT, rules.LOGGED)


def was_given_up(status: MailStatus) -> bool:
    """Return whether a mail will never be sent."""
    return status == rules.FAILED


def open_bodies(mail: QueuedMail, sealer: Sealer | None) -> QueuedMail:
    """Return a stored mail with its bodies as plain text.

    Raises:
        CannotOpen: the bodies were sealed with another key, or there is no key.
    """
    if "sealed" not in mail:
        return mail
    if sealer is None:
        raise CannotOpen("there is no key")
    bodies = json.loads(sealer.open(mail["sealed"], mail["key"]))
    return {**mail, "text": bodies["txt"], "html": bodies["html"]}
