"""Telling holders what became of their bookings, from the notes that were written with it.

Each step may be cut off anywhere and be done again, by several workers at once: everything told
has a key of its own and is written once.
"""

from datetime import datetime
from typing import Any

from bson import ObjectId

from eventapp.accounts import service as accounts
from eventapp.bookings import rules, store, store_alerts
from eventapp.bookings.context import BookingContext
from eventapp.core.clock import advancing_clock
from eventapp.core.database import Document
from eventapp.core.failpoints import failpoint
from eventapp.events import alerts as events
from eventapp.notifications import service as notifications
from eventapp.notifications.types import Attachment, NewNotification, Recipient

# So many bookings at a time, and so many times before others have their turn.
AT_ONCE, ROUNDS = 200, 25


def tell(context: BookingContext, now: datetime) -> int:
    """Tell all that is noted; how many notifications."""
    clock = advancing_clock(now)
    told = 0
    for _round in range(ROUNDS):
        bookings = store_alerts.untold(context.db, AT_ONCE)
        told += _tell_of_bookings(context, bookings, clock())
        if len(bookings) < AT_ONCE:
            break
    for event in events.untold(context.db, AT_ONCE):
        told += _tell_of_event(context, event, clock())
        events.told(context.db, event)
    return told


def _tell_of_bookings(context: BookingContext, bookings: list[Document], now: datetime) -> int:
    people = accounts.find_contacts(context.db, _holders(bookings))
    notices = [
        _of_booking(context, booking, kind, at, people[booking["userId"]])
        for booking in bookings
        if booking["userId"] in people
        for kind, at in booking["tell"].items()
        if rules.is_news(kind, booking)
    ]
    told = notifications.notify(context.db, context.outbox.base_url, notices, now)
    failpoint("told")
    store_alerts.told(context.db, bookings)
    return told


def _holders(bookings: list[Document]) -> set[ObjectId]:
    return {booking["userId"] for booking in bookings if booking["userId"]}


def _of_booking(
    context: BookingContext, booking: Document, kind: str, at: datetime, holder: Recipient
) -> NewNotification:
    codes, files = _ticket_attachments(context, booking, kind, at)
    return NewNotification(
        key=f"booking:{booking['_id']}:{kind}",
        kind=kind,
        recipient=holder,
        occurred_at=at,
        data=_facts(booking),
        mail_data={name: booking[name] for name in ("items", "totalPrice")} | {"codes": codes},
        attachments=files,
    )


def _ticket_attachments(
    context: BookingContext, booking: Document, kind: str, now: datetime
) -> tuple[list[str], tuple[Attachment, ...]]:
    """What goes with the mail of a confirmed booking; nothing where it has ended meanwhile."""
    valid = kind == rules.CONFIRMED_TOLD and booking["status"] == rules.CONFIRMED
    if context.ticket_attachments and valid:
        return context.ticket_attachments(context, booking, now)
    return [], ()


def _facts(booking: Document) -> dict[str, Any]:
    """What the app shows beside the words."""
    names = ("bookingReference", "eventId", "eventTitle", "location", "quantity", "currency")
    return {
        "bookingId": booking["_id"],
        **{name: booking[name] for name in names},
        "date": booking["date"].date().isoformat(),
        "expiresAt": booking["expiresAt"],
        "refund": (booking["refund"] or {}).get("amount"),
    }


def _tell_of_event(context: BookingContext, event: Document, now: datetime) -> int:
    """Tell those whose date or place the event has no more, a batch at a time."""
    told, after = 0, None
    where = {"eventId": event["eventId"], "active": True}
    while rows := store.page(context.db, where, skip=0, limit=AT_ONCE, after=after):
        after = (rows[-1]["createdAt"], rows[-1]["_id"])
        moved = [row for row in rows if not events.takes_place(event, row["date"], row["location"])]
        people = accounts.find_contacts(context.db, _holders(moved))
        notices = [
            _of_change(event, booking, people[booking["userId"]])
            for booking in moved
            if booking["userId"] in people
        ]
        told += notifications.notify(context.db, context.outbox.base_url, notices, now)
    return told


def _of_change(event: Document, booking: Document, holder: Recipient) -> NewNotification:
    last = event["tell"][-1]
    return NewNotification(
        key=f"event:{event['eventId']}:{last['rev']}:{booking['_id']}",
        kind="event_changed",
        recipient=holder,
        occurred_at=last["at"],
        data={**_facts(booking), "schedule": events.shown_schedule(event)},
    )
