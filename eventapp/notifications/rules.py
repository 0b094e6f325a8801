"""What is told in which words, and when a mail is tried again."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

BOOKING_CONFIRMED, BOOKING_CANCELLED = "booking_confirmed", "booking_cancelled"
BOOKING_EXPIRED, WAITLIST_OFFER = "booking_expired", "waitlist_offer"
EVENT_CHANGED, EVENT_CANCELLED, LOW_TICKETS = "event_changed", "event_cancelled", "low_tickets"
REPORT = "report"
KINDS = (
    BOOKING_CONFIRMED,
    BOOKING_CANCELLED,
    BOOKING_EXPIRED,
    WAITLIST_OFFER,
    EVENT_CHANGED,
    EVENT_CANCELLED,
    LOW_TICKETS,
)
# Which template a mail is made from; each is there as .txt and .html.
TEMPLATES = {
    EVENT_CHANGED: "event",
    LOW_TICKETS: "event",
    REPORT: "report",
}

QUEUED, SENDING, SENT, FAILED, LOGGED = "queued", "sending", "sent", "failed", "logged"
STATUSES = (QUEUED, SENDING, SENT, FAILED, LOGGED)
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(hours=2)
GIVE_UP_AFTER = timedelta(days=1)
MAX_SUBJECT = 200


@dataclass(frozen=True)
class Attachment:
    """A file that goes with a mail; `type` as `text/calendar`."""

    name: str
    type: str
    content: bytes


@dataclass(frozen=True)
class Recipient:
    """Who is told; no mail goes to one without an email."""

    id: Any
    name: str = ""
    email: str | None = None


@dataclass(frozen=True)
class NewNotification:
    """One thing that one person is told, once.

    Attributes:
        key: of what it tells of and its kind; whatever is told again under it is the same.
        data: what the app shows beside the words; `mail_data` what only the mail says.
        in_app: False for what is a mail alone.
    """

    key: str
    kind: str
    recipient: Recipient
    occurred_at: datetime
    data: Mapping[str, Any]
    mail_data: Mapping[str, Any] = field(default_factory=dict)
    attachments: tuple[Attachment, ...] = ()
    in_app: bool = True


def words(kind: str, data: Mapping[str, Any]) -> tuple[str, str]:
    """The title and the message of what is told; a title is one line, and the mail's subject."""
    title, message = _WORDS[kind](data)
    return one_line(title), message


def one_line(text: str) -> str:
    """The text without control characters and line breaks, cut to a subject's length."""
    plain = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text)
    return " ".join(plain.split())[:MAX_SUBJECT]


def _confirmed(data: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"Booking confirmed: {data['eventTitle']}",
        f"Your booking {data['bookingReference']} of {tickets(data)} for {_when(data)} "
        "is confirmed.",
    )


def _cancelled(data: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"Booking cancelled: {data['eventTitle']}",
        f"Your booking {data['bookingReference']} of {tickets(data)} for {_when(data)} "
        f"is cancelled.{_refund(data)}",
    )


def _expired(data: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"Booking expired: {data['eventTitle']}",
        f"The time to confirm {data['bookingReference']} of {tickets(data)} for {_when(data)} "
        f"is over; the tickets are free again.{_refund(data)}",
    )


def _offered(data: Mapping[str, Any]) -> tuple[str, str]:
    until = data["expiresAt"].strftime("%d %B, %H:%M UTC")
    return (
        f"Tickets for you: {data['eventTitle']}",
        f"You waited for {_when(data)}: {tickets(data)} are kept for you until {until}. "
        "Accept the offer before then.",
    )


def _changed(data: Mapping[str, Any]) -> tuple[str, str]:
    dates = "; ".join(f"{entry['date']}, {entry['location']}" for entry in data["schedule"])
    return (
        f"Event changed: {data['eventTitle']}",
        f"You have booking {data['bookingReference']} for {_when(data)}. "
        f"The event now takes place: {dates}.",
    )


def _event_cancelled(data: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"Event cancelled: {data['eventTitle']}",
        f"{_when(data)} does not take place. Your booking {data['bookingReference']} "
        f"is cancelled.{_refund(data)}",
    )


def _low(data: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"Few tickets left: {data['eventTitle']}",
        f"Only {tickets(data)} left of {_when(data)}, one of your favorites.",
    )


def _report(data: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"Your {data['period']} report: {data['from']}",
        f"What was booked of your events from {data['from']} to {data['to']} (UTC).",
    )


def tickets(data: Mapping[str, Any]) -> str:
    quantity: int = data["quantity"]
    return f"{quantity} ticket{'' if quantity == 1 else 's'}"


def _when(data: Mapping[str, Any]) -> str:
    return f"{data['eventTitle']} on {data['date']}, {data['location']}"


def _refund(data: Mapping[str, Any]) -> str:
    refund = data.get("refund")
    return f" {refund} {data['currency']} are refunded." if refund else ""


_WORDS = {
    BOOKING_CONFIRMED: _confirmed,
    BOOKING_CANCELLED: _cancelled,
    BOOKING_EXPIRED: _expired,
    WAITLIST_OFFER: _offered,
    EVENT_CHANGED: _changed,
    EVENT_CANCELLED: _event_cancelled,
    LOW_TICKETS: _low,
    REPORT: _report,
}


def next_try(attempts: int, created: datetime, now: datetime) -> datetime | None:
    """When a mail that failed `attempts` times is tried again; None once a day has passed."""
    if now - created >= GIVE_UP_AFTER:
        return None
    doublings = min(attempts - 1, 10)
    factor: int = 2**doublings
    return now + min(FIRST_PAUSE * factor, LONGEST_PAUSE)


def view(notification: Mapping[str, Any]) -> dict[str, Any]:
    """The notification as the API shows it."""
    names = ("_id", "kind", "title", "message", "data", "createdAt", "readAt")
    shown = {name: notification[name] for name in names}
    return {**shown, "read": notification["readAt"] is not None}
