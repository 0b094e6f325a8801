"""Compose the texts of notifications, and decide when a mail is sent again."""

import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, cast

from eventapp.notifications.texts import Language
from eventapp.notifications.types import (
    AnnouncementFacts,
    Facts,
    MailStatus,
    RenderedNotification,
    StoredNotification,
)

BOOKING_CONFIRMED, BOOKING_CANCELLED = "booking_confirmed", "booking_cancelled"
TICKETS_CANCELLED = "tickets_cancelled"
BOOKING_EXPIRED, WAITLIST_OFFER = "booking_expired", "waitlist_offer"
EVENT_CHANGED, EVENT_CANCELLED, LOW_TICKETS = "event_changed", "event_cancelled", "low_tickets"
WAITLIST_CLOSED, PAYMENT_REFUNDED = "waitlist_closed", "payment_refunded"
ANNOUNCEMENT, REPORT = "announcement", "report"
WEBHOOK_DISABLED = "webhook_disabled"
# The kinds that are shown in the app. A report is sent as a mail only.
KINDS = (
    BOOKING_CONFIRMED,
    BOOKING_CANCELLED,
    TICKETS_CANCELLED,
    BOOKING_EXPIRED,
    WAITLIST_OFFER,
    WAITLIST_CLOSED,
    PAYMENT_REFUNDED,
    EVENT_CHANGED,
    EVENT_CANCELLED,
    LOW_TICKETS,
    ANNOUNCEMENT,
    WEBHOOK_DISABLED,
)

QUEUED: Final = "queued"
SENDING: Final = "sending"
SENT: Final = "sent"
FAILED: Final = "failed"
LOGGED: Final = "logged"
STATUSES: tuple[MailStatus, ...] = (QUEUED, SENDING, SENT, FAILED, LOGGED)
# The shortest and the longest time between two attempts to send a mail.
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(hours=2)
# 2 to this power is enough for LONGEST_PAUSE. It limits a number that would overflow otherwise.
MAX_DOUBLINGS = 10
# The age from which a mail is not sent again.
GIVE_UP_AFTER = timedelta(days=1)
MAX_SUBJECT = 200  # characters
# The facts that organizers have typed, and the characters in them that links need.
_TYPED_TEXTS = frozenset(
    {"eventTitle", "location", "title", "type", "promoCode", "organizer", "subject", "text"}
    | {"webhookHost"}
)
_LINKABLE = re.compile(r"[.:/@](?=\S)")


def compose_text(kind: str, data: Facts, language: Language) -> tuple[str, str]:
    """Return the title and the message of a notification.

    Args:
        data: the facts that the app shows, and those of the mail.

    The title is one line, and also the subject of the mail.
    """
    compose = _COMPOSERS.get(kind, _compose_about_tickets)
    title, message = compose(kind, data, language)
    return to_one_line(title), message


def may_mail(kind: str, *, is_verified: bool) -> bool:
    """Return whether a mail of this kind may be sent to an address.

    An address that is not verified may belong to somebody else. It gets only what its account has
    asked for: the mails of its bookings and its places on waitlists, and announcements of events
    that it has booked.
    """
    return is_verified or kind not in (LOW_TICKETS, REPORT, WEBHOOK_DISABLED)


def remove_links(facts: Mapping[str, object]) -> dict[str, object]:
    """Return facts in which mail programs find no links in the texts that people have typed.

    A zero-width space follows each character that links need: `example.org` looks the same, but is
    no address.
    """
    return {
        name: _LINKABLE.sub("\\g<0>\u200b", value)
        if name in _TYPED_TEXTS and isinstance(value, str)
        else _remove_inner_links(value)
        for name, value in facts.items()
    }


def _remove_inner_links(value: object) -> object:
    if isinstance(value, Mapping):
        return remove_links(value)
    if isinstance(value, list | tuple):
        return [_remove_inner_links(each) for each in value]
    return value


def to_one_line(text: str) -> str:
    """Return the text without control characters and line breaks, cut to MAX_SUBJECT."""
    printable = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text)
    return " ".join(printable.split())[:MAX_SUBJECT]


def _describe_tickets(data: Facts, language: Language) -> str:
    return language.say("tickets", data["quantity"])


def _describe_event(data: Facts, language: Language) -> str:
    date = language.format_date(data)
    return language.say("event", title=data["eventTitle"], date=date, location=data["location"])


def _describe_refund(data: Facts, language: Language) -> str:
    refund = data.get("refund")
    if not refund:
        return ""
    amount = language.format_amount(refund)
    return " " + language.say("refund", refund, amount=amount, currency=data["currency"])


def _compose_about_tickets(kind: str, data: Facts, language: Language) -> tuple[str, str]:
    """Compose the text of a booking, an offer or an alert, which agrees with the tickets."""
    values: dict[str, object] = {
        "title": data["eventTitle"],
        "reference": data.get("bookingReference", ""),
        "tickets": _describe_tickets(data, language),
        "event": _describe_event(data, language),
    }
    if "left" in data:
        values["left"] = language.say("tickets_cancelled.left", data["left"])
    if expires_at := data.get("expiresAt"):
        values["until"] = language.format_deadline(expires_at)
    title = language.say(f"{kind}.title", data["quantity"], **values)
    message = language.say(f"{kind}.message", data["quantity"], **values)
    return title, message + _describe_refund(data, language)


def _compose_waitlist_closed(_kind: str, data: Facts, language: Language) -> tuple[str, str]:
    title, awaited = data["eventTitle"], _describe_tickets(data, language)
    if "date" in data:
        awaited = language.say(
            "waitlist_closed.awaited",
            tickets=awaited,
            date=language.format_date(data),
            location=data["location"],
        )
    reason = language.say(f"waitlist_closed.{data['reason']}", title=title)
    return (
        language.say("waitlist_closed.title", title=title),
        language.say("waitlist_closed.message", reason=reason, awaited=awaited),
    )


def _compose_event_changed(_kind: str, data: Facts, language: Language) -> tuple[str, str]:
    dates = [f"{language.format_date(each)}, {each['location']}" for each in data["schedule"]]
    is_booked = f"{language.format_date(data)}, {data['location']}" in dates
    message = language.say(
        "event_changed.message" if is_booked else "event_changed.other_dates",
        reference=data["bookingReference"],
        event=_describe_event(data, language),
        dates="; ".join(dates),
    )
    return language.say("event_changed.title", title=data["eventTitle"]), message


def _compose_announcement(_kind: str, data: Facts, _language: Language) -> tuple[str, str]:
    facts = cast(AnnouncementFacts, data)
    return f"{facts['eventTitle']}: {facts['subject']}", facts["text"]


def _compose_webhook_disabled(_kind: str, data: Facts, language: Language) -> tuple[str, str]:
    host = data["webhookHost"]
    return (
        language.say("webhook_disabled.title", host=host),
        language.say("webhook_disabled.message", host=host),
    )


def _compose_report(_kind: str, data: Facts, language: Language) -> tuple[str, str]:
    first, last = language.format_day(data["from"]), language.format_day(data["to"])
    return (
        language.say(f"report.{data['period']}", first=first),
        language.say("report.message", first=first, last=last),
    )


# The composers of the kinds that `_compose_about_tickets` does not compose.
_COMPOSERS = {
    WAITLIST_CLOSED: _compose_waitlist_closed,
    EVENT_CHANGED: _compose_event_changed,
    ANNOUNCEMENT: _compose_announcement,
    REPORT: _compose_report,
    WEBHOOK_DISABLED: _compose_webhook_disabled,
}


def is_too_old_to_retry(created_at: datetime, now: datetime) -> bool:
    """Return whether a mail that was written at `created_at` is not sent again after a failure."""
    return now - created_at >= GIVE_UP_AFTER


def schedule_next_attempt(attempts: int, created_at: datetime, now: datetime) -> datetime | None:
    """Return when to send a mail again, None if it is too old.

    The pause doubles with each attempt, from FIRST_PAUSE up to LONGEST_PAUSE.

    Args:
        attempts: how often sending has failed, at least 1.
    """
    if is_too_old_to_retry(created_at, now):
        return None
    doublings = min(attempts - 1, MAX_DOUBLINGS)
    factor: int = 2**doublings
    return now + min(FIRST_PAUSE * factor, LONGEST_PAUSE)


def render_notification(notification: StoredNotification) -> RenderedNotification:
    """Return a notification as the API shows it."""
    return {
        "_id": notification["_id"],
        "kind": notification["kind"],
        "title": notification["title"],
        "message": notification["message"],
        "data": notification["data"],
        "createdAt": notification["createdAt"],
        "readAt": notification["readAt"],
        "read": notification["readAt"] is not None,
    }
