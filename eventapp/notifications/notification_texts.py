"""Compose the texts of notifications, which are also the subjects and messages of their mails."""

from collections.abc import Callable
from typing import TypeAlias, cast

from eventapp.notifications import rules
from eventapp.notifications.texts import MailTexts
from eventapp.notifications.types import AnnouncementFacts, Facts

# The title and the message of a notification.
Composed: TypeAlias = tuple[str, str]
# The kinds that say what is refunded, if anything is.
_WITH_REFUND = frozenset(
    {rules.BOOKING_CONFIRMED, rules.BOOKING_CANCELLED, rules.TICKETS_CANCELLED}
    | {rules.BOOKING_EXPIRED, rules.PAYMENT_REFUNDED, rules.WAITLIST_OFFER, rules.EVENT_CANCELLED}
)


def compose_text(kind: str, data: Facts, texts: MailTexts) -> Composed:
    """Return the title and the message of a notification.

    Args:
        data: the facts that the app shows, and those of the mail.
        texts: those of the app or of a mail.

    The title is one line, and also the subject of the mail.
    """
    title, message = _COMPOSERS[kind](data, texts)
    refund = _describe_refund(data, texts) if kind in _WITH_REFUND else ""
    return rules.to_one_line(title), message + refund


def is_in_schedule(data: Facts, texts: MailTexts) -> bool:
    """Return whether the entry of a booking is one of the new schedule of its event."""
    return _describe_entry(data, texts) in _list_entries(data, texts)


def _list_entries(data: Facts, texts: MailTexts) -> list[str]:
    return [f"{texts.format_date(each)}, {each['location']}" for each in data["schedule"]]


def _describe_entry(data: Facts, texts: MailTexts) -> str:
    return f"{texts.format_date(data)}, {data['location']}"


def _describe_tickets(data: Facts, texts: MailTexts) -> str:
    return texts.ngettext("%(num)s ticket", "%(num)s tickets", data["quantity"])


def _describe_event(data: Facts, texts: MailTexts) -> str:
    return texts.gettext(
        "%(title)s on %(date)s, %(location)s",
        title=data["eventTitle"],
        date=texts.format_date(data),
        location=data["location"],
    )


def _describe_refund(data: Facts, texts: MailTexts) -> str:
    refund = data.get("refund")
    if not refund:
        return ""
    return " " + texts.ngettext(
        "%(amount)s is refunded.",
        "%(amount)s are refunded.",
        1 if refund == 1 else 2,
        amount=texts.format_amount(refund, data["currency"]),
    )


def _list_values(data: Facts, texts: MailTexts) -> dict[str, object]:
    """Return what the text of a booking or an offer is filled with."""
    return {
        "reference": data.get("bookingReference", ""),
        "tickets": _describe_tickets(data, texts),
        "event": _describe_event(data, texts),
    }


def _compose_booking_confirmed(data: Facts, texts: MailTexts) -> Composed:
    return (
        texts.gettext("Booking confirmed: %(title)s", title=data["eventTitle"]),
        texts.gettext(
            "Your booking %(reference)s of %(tickets)s for %(event)s is confirmed.",
            **_list_values(data, texts),
        ),
    )


def _compose_booking_cancelled(data: Facts, texts: MailTexts) -> Composed:
    return (
        texts.gettext("Booking cancelled: %(title)s", title=data["eventTitle"]),
        texts.gettext(
            "Your booking %(reference)s of %(tickets)s for %(event)s is cancelled.",
            **_list_values(data, texts),
        ),
    )


def _compose_tickets_cancelled(data: Facts, texts: MailTexts) -> Composed:
    quantity, left = data["quantity"], data["left"]
    return (
        texts.ngettext(
            "Ticket cancelled: %(title)s",
            "Tickets cancelled: %(title)s",
            quantity,
            title=data["eventTitle"],
        ),
        texts.ngettext(
            "%(tickets)s of your booking %(reference)s for %(event)s is cancelled; %(left)s.",
            "%(tickets)s of your booking %(reference)s for %(event)s are cancelled; %(left)s.",
            quantity,
            left=texts.ngettext("%(num)s is left", "%(num)s are left", left),
            **_list_values(data, texts),
        ),
    )


def _compose_booking_expired(data: Facts, texts: MailTexts) -> Composed:
    return (
        texts.gettext("Booking expired: %(title)s", title=data["eventTitle"]),
        texts.ngettext(
            "The time to confirm %(reference)s of %(tickets)s for %(event)s is over; the ticket is"
            " free again.",
            "The time to confirm %(reference)s of %(tickets)s for %(event)s is over; the tickets"
            " are free again.",
            data["quantity"],
            **_list_values(data, texts),
        ),
    )


def _compose_payment_refunded(data: Facts, texts: MailTexts) -> Composed:
    return (
        texts.gettext("Payment refunded: %(title)s", title=data["eventTitle"]),
        texts.ngettext(
            "Your payment for booking %(reference)s of %(event)s came too late: the ticket was no"
            " longer held.",
            "Your payment for booking %(reference)s of %(event)s came too late: the tickets were no"
            " longer held.",
            data["quantity"],
            **_list_values(data, texts),
        ),
    )


def _compose_waitlist_offer(data: Facts, texts: MailTexts) -> Composed:
    quantity, expires_at = data["quantity"], data["expiresAt"]
    assert expires_at, "an offer has an end"
    return (
        texts.ngettext(
            "A ticket for you: %(title)s",
            "Tickets for you: %(title)s",
            quantity,
            title=data["eventTitle"],
        ),
        texts.ngettext(
            "You waited for %(event)s: %(tickets)s is kept for you until %(until)s. Accept the"
            " offer before then.",
            "You waited for %(event)s: %(tickets)s are kept for you until %(until)s. Accept the"
            " offer before then.",
            quantity,
            until=texts.format_deadline(expires_at, data.get("timezone")),
            **_list_values(data, texts),
        ),
    )


def _compose_waitlist_closed(data: Facts, texts: MailTexts) -> Composed:
    title, awaited = data["eventTitle"], _describe_tickets(data, texts)
    if "date" in data:
        awaited = texts.gettext(
            "%(tickets)s on %(date)s, %(location)s",
            tickets=awaited,
            date=texts.format_date(data),
            location=data["location"],
        )
    return (
        texts.gettext("Waitlist closed: %(title)s", title=title),
        texts.gettext(
            "%(reason)s You are no longer on the waitlist for %(awaited)s.",
            reason=_REASONS[data["reason"]](texts, title),
            awaited=awaited,
        ),
    )


# Why a place on a waitlist ends, by `waitlist.types.CloseReason`.
_REASONS: dict[str, Callable[[MailTexts, str], str]] = {
    "event_cancelled": lambda texts, title: texts.gettext(
        "%(title)s does not take place.", title=title
    ),
    "event_deleted": lambda texts, title: texts.gettext(
        "%(title)s is no longer offered.", title=title
    ),
    "event_over": lambda texts, title: texts.gettext("%(title)s is over.", title=title),
    "entry_over": lambda texts, title: texts.gettext(
        "The date of %(title)s that you waited for is over.", title=title
    ),
    "ticket_limit": lambda texts, title: texts.gettext(
        "You have as many tickets of %(title)s as one person may have.", title=title
    ),
}


def _compose_event_changed(data: Facts, texts: MailTexts) -> Composed:
    values = {"reference": data["bookingReference"], "event": _describe_event(data, texts)}
    if is_in_schedule(data, texts):
        message = texts.gettext("Your booking %(reference)s is now for %(event)s.", **values)
    else:
        message = texts.gettext(
            "You have booking %(reference)s for %(event)s. The event now takes place: %(dates)s.",
            dates="; ".join(_list_entries(data, texts)),
            **values,
        )
    return texts.gettext("Event changed: %(title)s", title=data["eventTitle"]), message


def _compose_event_cancelled(data: Facts, texts: MailTexts) -> Composed:
    return (
        texts.gettext("Event cancelled: %(title)s", title=data["eventTitle"]),
        texts.gettext(
            "%(event)s does not take place. Your booking %(reference)s is cancelled.",
            **_list_values(data, texts),
        ),
    )


def _compose_low_tickets(data: Facts, texts: MailTexts) -> Composed:
    quantity = data["quantity"]
    return (
        texts.ngettext(
            "One ticket left: %(title)s",
            "Few tickets left: %(title)s",
            quantity,
            title=data["eventTitle"],
        ),
        texts.ngettext(
            "Only %(tickets)s left of %(event)s, one of your favorites.",
            "Only %(tickets)s left of %(event)s, one of your favorites.",
            quantity,
            **_list_values(data, texts),
        ),
    )


def _compose_announcement(data: Facts, _texts: MailTexts) -> Composed:
    facts = cast(AnnouncementFacts, data)
    return f"{facts['eventTitle']}: {facts['subject']}", facts["text"]


def _compose_webhook_disabled(data: Facts, texts: MailTexts) -> Composed:
    host = data["webhookHost"]
    return (
        texts.gettext("Webhook disabled: %(host)s", host=host),
        texts.gettext(
            "Your webhook at %(host)s has not accepted a delivery for three days, so nothing is"
            " sent to it any more. Mend the receiver, and then enable the webhook again: what is"
            " pending is sent then.",
            host=host,
        ),
    )


def _compose_report(data: Facts, texts: MailTexts) -> Composed:
    first, last = texts.format_day(data["from"]), texts.format_day(data["to"])
    if data["period"] == "daily":
        title = texts.gettext("Your daily report: %(first)s", first=first)
    else:
        title = texts.gettext("Your weekly report: %(first)s", first=first)
    return title, texts.gettext(
        "What was booked of your events from %(first)s to %(last)s (UTC), less what was cancelled.",
        first=first,
        last=last,
    )


_COMPOSERS: dict[str, Callable[[Facts, MailTexts], Composed]] = {
    rules.BOOKING_CONFIRMED: _compose_booking_confirmed,
    rules.BOOKING_CANCELLED: _compose_booking_cancelled,
    rules.TICKETS_CANCELLED: _compose_tickets_cancelled,
    rules.BOOKING_EXPIRED: _compose_booking_expired,
    rules.PAYMENT_REFUNDED: _compose_payment_refunded,
    rules.WAITLIST_OFFER: _compose_waitlist_offer,
    rules.WAITLIST_CLOSED: _compose_waitlist_closed,
    rules.EVENT_CHANGED: _compose_event_changed,
    rules.EVENT_CANCELLED: _compose_event_cancelled,
    rules.LOW_TICKETS: _compose_low_tickets,
    rules.ANNOUNCEMENT: _compose_announcement,
    rules.WEBHOOK_DISABLED: _compose_webhook_disabled,
    rules.REPORT: _compose_report,
}
