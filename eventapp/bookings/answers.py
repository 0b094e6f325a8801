"""What a caller is told of an order."""

import secrets
from typing import Any

from eventapp.bookings import rules
from eventapp.bookings.service import Answer, Order
from eventapp.core.database import Document
from eventapp.waitlist.types import EntryView, IdempotencyRecord, RecordedAnswer


def answer_of(booking: Document | None, entries: list[EntryView]) -> Answer:
    """The answer to an order that gave a booking, places on the waitlist, or both."""
    data: dict[str, Any] = {}
    if booking:
        data["booking"] = rules.view(booking)
    if entries:
        data["waitlistEntry"] = entries[0]
    if len(entries) > 1:
        data["waitlistEntries"] = entries
    waiting = sum(entry["quantity"] for entry in entries)
    return Answer(201 if booking else 202, _words(booking, waiting), data)


def _words(booking: Document | None, waiting: int) -> str:
    if not booking:
        return f"Sold out. {_tickets(waiting)} added to waitlist."
    done = "Held" if booking["status"] == rules.HELD else "Booked"
    words = f"{done} {_tickets(booking['quantity'])}."
    return f"{words} Remaining {_tickets(waiting)} added to waitlist." if waiting else words


def _tickets(quantity: int) -> str:
    return f"{quantity} ticket{'' if quantity == 1 else 's'}"


def note_of(order: Order, answer: Answer) -> IdempotencyRecord | None:
    """What is kept beside the first thing stored, so that the same key gives the same answer."""
    if order.key is None:
        return None
    recorded: RecordedAnswer = {
        "status": answer.status,
        "message": answer.message,
        "data": answer.data,
    }
    return {"key": order.key, "digest": order.digest, "answer": recorded}


def new_reference() -> str:
    letters = "".join(secrets.choice(rules.REFERENCE_ALPHABET) for _ in range(6))
    return f"EVT-{letters}"
