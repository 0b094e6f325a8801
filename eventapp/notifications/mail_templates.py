"""Render the mail of a notification from the text and HTML templates in `templates/`.

All mails are one family: `base` has the greeting, the message and the button, and the templates of
the kinds add what their mails show. Styles are written at each element, and colors of text and
background are left to the mail program, so that they follow its light or dark scheme.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import cast

from bson import ObjectId
from jinja2 import Environment, FileSystemLoader, select_autoescape

from eventapp.notifications import rules
from eventapp.notifications.mailed_bookings import make_content_id
from eventapp.notifications.notification_texts import compose_text, is_in_schedule
from eventapp.notifications.texts import MailTexts, get_mail_texts
from eventapp.notifications.types import (
    Attachment,
    Facts,
    MailedBooking,
    MailTicket,
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
# The tickets that a mail shows; the page of the booking has all. Each adds 1 KB to the HTML body,
# and Gmail cuts a body off at 102 KB.
MAX_TICKETS_SHOWN = 50

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
    recipient, kind = notification.recipient, notification.kind
    texts, facts = get_mail_texts(recipient.language), _choose_facts(notification)
    subject, message = compose_text(kind, cast(Facts, facts), texts)
    page = rules.choose_page(kind, facts)
    link = f"{base_url.rstrip('/')}{page}" if page else ""
    context = {
        "texts": texts,
        "name": recipient.name if recipient.is_verified else "",
        "subject": subject,
        "message": message,
        "facts": facts,
        "omitted_tickets": _count_omitted(notification),
        "make_content_id": make_content_id,
        "shows_date": _shows_date(kind, cast(Facts, facts), texts),
        "link": link,
        "link_text": _name_link(kind, texts),
    }
    template = TEMPLATE_NAMES.get(kind, DEFAULT_TEMPLATE)
    mail: QueuedMail = {
        "_id": ObjectId(),
        "key": notification.key,
        "userId": recipient.id,
        "to": recipient.email or "",
        "kind": kind,
        "subject": subject,
        "text": render_template(f"{template}.txt", context),
        "html": render_template(f"{template}.html", context),
        "attachments": [_build_stored_attachment(file) for file in notification.attachments],
        "language": texts.language,
        "status": rules.QUEUED,
        "attempts": 0,
        "createdAt": now,
        "nextTryAt": now,
    }
    if rules.PURPOSES[kind] == rules.SUBSCRIBED and notification.subscription:
        mail["subscription"] = notification.subscription
    if "bookingReference" in facts:
        mail["booking"] = _describe_booking(notification, link)
    return mail


def _choose_facts(notification: NewNotification) -> dict[str, object]:
    """Return the facts that the recipient's mail may hold.

    An address that is not verified may belong to somebody else, so its mails name no attendees.
    """
    facts = {**notification.data, **notification.mail_data, "ticketList": _list_shown(notification)}
    if notification.recipient.is_verified:
        return facts
    tickets = [{**ticket, "attendee": ""} for ticket in _list_shown(notification)]
    return rules.remove_links({**facts, "ticketList": tickets})


def _list_shown(notification: NewNotification) -> list[MailTicket]:
    """Return the tickets that the mail of a notification shows."""
    return notification.mail_data.get("ticketList", [])[:MAX_TICKETS_SHOWN]


def _shows_date(kind: str, facts: Facts, texts: MailTexts) -> bool:
    """Return whether a mail shows below the title when and where: not if that holds no longer."""
    if kind == rules.EVENT_CHANGED:
        return is_in_schedule(facts, texts)
    return "date" in facts


def _name_link(kind: str, texts: MailTexts) -> str:
    """Return the words of the button that opens the page of a mail."""
    if kind in (rules.BOOKING_CONFIRMED, rules.TICKETS_CANCELLED):
        return texts.gettext("Show your tickets")
    if kind == rules.WAITLIST_OFFER:
        return texts.gettext("Accept the offer")
    if kind in (rules.LOW_TICKETS, rules.WAITLIST_CLOSED, rules.ANNOUNCEMENT):
        return texts.gettext("Show the event")
    if kind == rules.REPORT:
        return texts.gettext("Open the console")
    if kind == rules.WEBHOOK_DISABLED:
        return texts.gettext("Show your webhooks")
    return texts.gettext("Show your booking")


def _count_omitted(notification: NewNotification) -> int:
    return len(notification.mail_data.get("ticketList", [])[MAX_TICKETS_SHOWN:])


def _describe_booking(notification: NewNotification, page: str) -> MailedBooking:
    data, more = notification.data, notification.mail_data
    return {
        "bookingId": data["bookingId"],
        "eventId": data["eventId"],
        "page": page,
        "linkVersion": more.get("linkVersion", 0),
        "credentialsVersion": notification.recipient.credentials_version,
        "ticketIds": [ticket["ticketId"] for ticket in _list_shown(notification)],
    }


def _build_stored_attachment(file: Attachment) -> StoredAttachment:
    return {"name": file.name, "type": file.type, "content": file.content}


def render_template(template: str, context: Mapping[str, object]) -> str:
    """Return a template filled in. Values are escaped in HTML.

    Args:
        context: what the template shows, with `texts`, which translates its own texts.
    """
    texts = cast(MailTexts, context["texts"])
    functions = {"_": texts.gettext, "ngettext": texts.ngettext}
    return _environment.get_template(template).render(functions, **context)
