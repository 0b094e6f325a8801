"""Decide who gets which mail, what it may hold, and when it is sent again."""

import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from eventapp.notifications.types import (
    MailPurpose,
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

TRANSACTIONAL: Final = "transactional"
SUBSCRIBED: Final = "subscribed"
WITHOUT_PREFERENCE: Final = "without preference"
# What each mail is for. The mails about accounts are transactional, too. SUBSCRIBED mails have a
# link and the headers by which their reader unsubscribes. There is no preference yet by which users
# could refuse those WITHOUT_PREFERENCE: an alert comes once for each favorite, and a report only
# when tickets were sold or returned.
PURPOSES: dict[str, MailPurpose] = {
    BOOKING_CONFIRMED: TRANSACTIONAL,
    BOOKING_CANCELLED: TRANSACTIONAL,
    TICKETS_CANCELLED: TRANSACTIONAL,
    BOOKING_EXPIRED: TRANSACTIONAL,
    WAITLIST_OFFER: TRANSACTIONAL,
    WAITLIST_CLOSED: TRANSACTIONAL,
    PAYMENT_REFUNDED: TRANSACTIONAL,
    EVENT_CHANGED: TRANSACTIONAL,
    EVENT_CANCELLED: TRANSACTIONAL,
    WEBHOOK_DISABLED: TRANSACTIONAL,
    ANNOUNCEMENT: SUBSCRIBED,
    LOW_TICKETS: WITHOUT_PREFERENCE,
    REPORT: WITHOUT_PREFERENCE,
}

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
# The facts that people have typed, and the characters in them that links need.
_TYPED_TEXTS = frozenset(
    {"eventTitle", "location", "title", "type", "promoCode", "organizer", "subject", "text"}
    | {"webhookHost", "attendee"}
)
_LINKABLE = re.compile(r"[.:/@](?=\S)")


def may_mail(kind: str, *, is_verified: bool) -> bool:
    """Return whether a mail of this kind may be sent to an address.

    An address that is not verified may belong to somebody else. It gets only what its account has
    asked for: the mails of its bookings and its places on waitlists, and announcements of events
    that it has booked.
    """
    return is_verified or kind not in (LOW_TICKETS, REPORT, WEBHOOK_DISABLED)


def choose_page(kind: str, data: Mapping[str, object]) -> str:
    """Return the path of the page that a mail leads to; empty if there is none.

    Args:
        data: the facts of the notification.
    """
    if kind == REPORT:
        return "/console"
    if kind == WEBHOOK_DISABLED:
        return "/console/webhooks"
    if reference := data.get("bookingReference"):
        return f"/b/{reference}"
    return "" if data.get("reason") == "event_deleted" else f"/e/{data['eventId']}"


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
