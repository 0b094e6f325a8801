"""Mails as they are stored to be sent: text and HTML from the templates of this folder."""

from datetime import datetime
from pathlib import Path
from typing import Any

from bson import ObjectId
from jinja2 import Environment, FileSystemLoader, select_autoescape

from eventapp.core.database import Document
from eventapp.notifications import rules
from eventapp.notifications.rules import NewNotification

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(["html"]),
    trim_blocks=True,
    lstrip_blocks=True,
)


def mail_of(news: NewNotification, base_url: str, now: datetime) -> Document:
    """The mail that tells this, due at once.

    Args:
        base_url: what its links start with.
    """
    subject, message = rules.words(news.kind, news.data)
    facts = {**news.data, **news.mail_data}
    context: dict[str, Any] = {"name": news.recipient.name, "subject": subject, "message": message}
    context |= {"facts": facts, "base_url": base_url.rstrip("/")}
    name = rules.TEMPLATES.get(news.kind, "booking")
    return {
        "_id": ObjectId(),
        "key": news.key,
        "userId": news.recipient.id,
        "to": news.recipient.email,
        "kind": news.kind,
        "subject": subject,
        "text": _rendered(f"{name}.txt", context),
        "html": _rendered(f"{name}.html", context),
        "attachments": [vars(attachment) for attachment in news.attachments],
        "status": rules.QUEUED,
        "attempts": 0,
        "createdAt": now,
        "nextTryAt": now,
    }


def _rendered(name: str, context: dict[str, Any]) -> str:
    return _TEMPLATES.get_template(name).render(context)
