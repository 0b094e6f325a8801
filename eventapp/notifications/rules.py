"""Compose the texts of notifications, and decide when a mail is sent again."""

import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, cast
from zoneinfo import ZoneInfo

from eventapp.notifications.types import (
    AnnouncementFacts,
    DateAndLocation,
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
)
_LINKABLE = re.compile(r"[.:/@](?=\S)")


def compose_text(kind: str, data: Facts) -> tuple[str, str]:
    """Return the title and the message of a notification.

    Args:
        data: the facts that the app shows, and those of the mail.

    The title is one line, and also the subject of the mail.
    """
    title, message = _COMPOSERS[kind](data)
    return to_one_line(title), message


def may_mail(kind: str, *, is_verified: bool) -> bool:
    """Return whether a mail of this kind may be sent to an address.

    An address that is not verified may belong to somebody else. It gets only what its account has
    asked for: the mails of its bookings and its places on waitlists, and announcements of events
    that it has booked.
    """
    return is_verified or kind not in (LOW_TICKETS, REPORT)


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


def _compose_confirmed(data: Facts) -> tuple[str, str]:
    return (
        f"Booking confirmed: {data['eventTitle']}",
        f"Your booking {data['bookingReference']} of {format_ticket_count(data)} for "
        f"{_describe_event(data)} is confirmed.",
    )


def _compose_cancelled(data: Facts) -> tuple[str, str]:
    return (
        f"Booking cancelled: {data['eventTitle']}",
        f"Your booking {data['bookingReference']} of {format_ticket_count(data)} for "
        f"{_describe_event(data)} is cancelled.{_describe_refund(data)}",
    )


def _compose_tickets_cancelled(data: Facts) -> tuple[str, str]:
    left = data["left"]
    return (
        f"{_choose(data, 'Ticket', 'Tickets')} cancelled: {data['eventTitle']}",
        f"{format_ticket_count(data)} of your booking {data['bookingReference']} for "
        f"{_describe_event(data)} {_choose(data, 'is', 'are')} cancelled; {left} "
        f"{'is' if left == 1 else 'are'} left.{_describe_refund(data)}",
    )


def _compose_expired(data: Facts) -> tuple[str, str]:
    return (
        f"Booking expired: {data['eventTitle']}",
        f"The time to confirm {data['bookingReference']} of {format_ticket_count(data)} for "
        f"{_describe_event(data)} is over; {_choose(data, 'the ticket is', 'the tickets are')} "
        f"free again.{_describe_refund(data)}",
    )


def _compose_payment_refunded(data: Facts) -> tuple[str, str]:
    return (
        f"Payment refunded: {data['eventTitle']}",
        f"Your payment for booking {data['bookingReference']} of {_describe_event(data)} came too "
        f"late: {_choose(data, 'the ticket was', 'the tickets were')} no longer held."
        f"{_describe_refund(data)}",
    )


def _compose_offer(data: Facts) -> tuple[str, str]:
    expires_at = data["expiresAt"]
    assert expires_at, "a waitlist offer always expires"
    until = expires_at.strftime("%d %B, %H:%M UTC")
    return (
        f"{_choose(data, 'A ticket', 'Tickets')} for you: {data['eventTitle']}",
        f"You waited for {_describe_event(data)}: {format_ticket_count(data)} "
        f"{_choose(data, 'is', 'are')} kept for you until {until}. Accept the offer before then.",
    )


# What the message begins with, by the reason why a waitlist entry was closed.
_CLOSE_REASONS = {
    "event_cancelled": "{title} does not take place.",
    "event_deleted": "{title} is no longer offered.",
    "event_over": "{title} is over.",
    "entry_over": "The date of {title} that you waited for is over.",
    "ticket_limit": "You have as many tickets of {title} as one person may have.",
}


def _compose_waitlist_closed(data: Facts) -> tuple[str, str]:
    reason = _CLOSE_REASONS[data["reason"]].format(title=data["eventTitle"])
    awaited = format_ticket_count(data)
    if "date" in data:
        awaited = f"{awaited} on {format_date(data)}, {data['location']}"
    return (
        f"Waitlist closed: {data['eventTitle']}",
        f"{reason} You are no longer on the waitlist for {awaited}.",
    )


def _compose_event_changed(data: Facts) -> tuple[str, str]:
    title, reference = f"Event changed: {data['eventTitle']}", data["bookingReference"]
    current = [f"{format_date(entry)}, {entry['location']}" for entry in data["schedule"]]
    if f"{format_date(data)}, {data['location']}" in current:
        return title, f"Your booking {reference} is now for {_describe_event(data)}."
    return (
        title,
        f"You have booking {reference} for {_describe_event(data)}. "
        f"The event now takes place: {'; '.join(current)}.",
    )


def _compose_event_cancelled(data: Facts) -> tuple[str, str]:
    return (
        f"Event cancelled: {data['eventTitle']}",
        f"{_describe_event(data)} does not take place. Your booking {data['bookingReference']} "
        f"is cancelled.{_describe_refund(data)}",
    )


def _compose_low_tickets(data: Facts) -> tuple[str, str]:
    return (
        f"{_choose(data, 'One ticket', 'Few tickets')} left: {data['eventTitle']}",
        f"Only {format_ticket_count(data)} left of {_describe_event(data)}, one of your favorites.",
    )


def _compose_announcement(data: Facts) -> tuple[str, str]:
    facts = cast(AnnouncementFacts, data)
    return f"{facts['eventTitle']}: {facts['subject']}", facts["text"]


def _compose_report(data: Facts) -> tuple[str, str]:
    return (
        f"Your {data['period']} report: {data['from']}",
        f"What was booked of your events from {data['from']} to {data['to']} (UTC), less what was "
        "cancelled.",
    )


def format_ticket_count(data: Facts) -> str:
    """Return the number of tickets as `1 ticket`, `2 tickets` and so on."""
    quantity = data["quantity"]
    return f"{quantity} ticket{'' if quantity == 1 else 's'}"


def _choose(data: Facts, singular: str, plural: str) -> str:
    """Return the words that fit the number of tickets."""
    return singular if data["quantity"] == 1 else plural


def format_date(data: Facts | DateAndLocation) -> str:
    """Return when an event takes place: `2026-06-15`, or `2026-06-15, 20:00 (Europe/Athens)`."""
    starts_at, zone_name = data.get("startsAt"), data.get("timezone")
    if starts_at is None or zone_name is None:
        return data["date"]
    return f"{data['date']}, {starts_at.astimezone(ZoneInfo(zone_name)):%H:%M} ({zone_name})"


def format_amount(amount: int | float) -> str:
    """Return an amount of money with no decimals or with two: `20`, `12.50`."""
    return f"{amount:.0f}" if amount == int(amount) else f"{amount:.2f}"


def format_price(unit_price: int | float, subtotal: int | float, currency: str) -> str:
    """Return the price of the tickets of one type: `at 20 = 40 EUR`, or `free`."""
    if not unit_price:
        return "free"
    return f"at {format_amount(unit_price)} = {format_amount(subtotal)} {currency}"


def format_total(total: int | float, currency: str) -> str:
    """Return the sum of a booking: `40 EUR`, or `free`."""
    return f"{format_amount(total)} {currency}" if total else "free"


def _describe_event(data: Facts) -> str:
    return f"{data['eventTitle']} on {format_date(data)}, {data['location']}"


def _describe_refund(data: Facts) -> str:
    refund = data.get("refund")
    if not refund:
        return ""
    verb = "is" if refund == 1 else "are"
    return f" {format_amount(refund)} {data['currency']} {verb} refunded."


_COMPOSERS = {
    BOOKING_CONFIRMED: _compose_confirmed,
    BOOKING_CANCELLED: _compose_cancelled,
    TICKETS_CANCELLED: _compose_tickets_cancelled,
    BOOKING_EXPIRED: _compose_expired,
    WAITLIST_OFFER: _compose_offer,
    WAITLIST_CLOSED: _compose_waitlist_closed,
    PAYMENT_REFUNDED: _compose_payment_refunded,
    EVENT_CHANGED: _compose_event_changed,
    EVENT_CANCELLED: _compose_event_cancelled,
    LOW_TICKETS: _compose_low_tickets,
    ANNOUNCEMENT: _compose_announcement,
    REPORT: _compose_report,
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
