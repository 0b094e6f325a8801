"""Render the mail of a notification from the text and HTML templates in `templates/`."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import cast

from bson import ObjectId
from jinja2 import Environment, FileSystemLoader, select_autoescape

from eventapp.notifications import rules
from eventapp.notifications.texts import LANGUAGES
from eventapp.notifications.types import (
    Attachment,
    Facts,
    NewNotification,
    QueuedMail,
    StoredAttachment,
)

# The templates by kind, without their extensions: each exists as .txt and as .html. Kinds that are
# not listed use DEFAULT_TEMPLATE.
TEMPLATE_NAMES = {
    rules.EVENT_CHANGED: "event",
    rules.LOW_TICKETS: "event",
    rules.WAITLIST_CLOSED: "event",
    rules.ANNOUNCEMENT: "announcement",
    rules.REPORT: "report",
    rules.WEBHOOK_DISABLED: "webhook",
}
DEFAULT_TEMPLATE = "booking"

_environment = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(["html"]),
    trim_blocks=True,
    lstrip_blocks=True,
)


def render_mail(notification: NewNotification, base_url: str, now: datetime) -> QueuedMail:
    """Return the mail of a notification, ready to be stored. It is due at once.

    Args:
        base_url: the start of every link in the mail.
    """
    recipient, facts = notification.recipient, {**notification.data, **notification.mail_data}
    language = LANGUAGES[recipient.language]
    if not recipient.is_verified:
        facts = rules.remove_links(facts)
    subject, message = rules.compose_text(notification.kind, cast(Facts, facts), language)
    template = TEMPLATE_NAMES.get(notification.kind, DEFAULT_TEMPLATE)
    context = {
        "language": language,
        "name": recipient.name if recipient.is_verified else "",
        "is_verified": recipient.is_verified,
        "subject": subject,
        "message": message,
        "facts": facts,
        "base_url": base_url.rstrip("/"),
    }
    mail: QueuedMail = {
        "_id": ObjectId(),
        "key": notification.key,
        "userId": notification.recipient.id,
        "to": notification.recipient.email or "",
        "kind": notification.kind,
        "subject": subject,
        "text": render_template(f"{template}.txt", context),
        "html": render_template(f"{template}.html", context),
        "attachments": [_build_stored_attachment(file) for file in notification.attachments],
        "language": language.code,
        "status": rules.QUEUED,
        "attempts": 0,
        "createdAt": now,
        "nextTryAt": now,
    }
    if notification.subscription:
        mail["subscription"] = notification.subscription
    return mail


def _build_stored_attachment(file: Attachment) -> StoredAttachment:
    return {"name": file.name, "type": file.type, "content": file.content}


def render_template(template: str, context: Mapping[str, object]) -> str:
    """Return a template filled in. Values are escaped in HTML."""
    return _environment.get_template(template).render(context)
