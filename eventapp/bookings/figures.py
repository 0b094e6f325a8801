"""What figures about bookings need of them: amounts as the API writes them, an event's bookings."""

from collections.abc import Iterator

from eventapp.bookings import rules, store
from eventapp.core.database import Db, Document

ROWS_AT_ONCE = 500


def money(cents: int) -> int | float:
    """Cents as the API writes an amount."""
    return rules.money(cents)


def cents(amount: float) -> int:
    return rules.cents(amount)


def all_of_event(db: Db, event_id: int) -> Iterator[Document]:
    """All bookings of an event, newest first, some hundreds in memory at a time.

    Each part is a query of its own that goes on where the last one ended: so neither the driver's
    timeout nor a reader who takes their time ends it, and none is skipped or given twice.
    """
    after = None
    while True:
        part = store.page(db, {"eventId": event_id}, skip=0, limit=ROWS_AT_ONCE, after=after)
        yield from part
        if len(part) < ROWS_AT_ONCE:
            return
        after = (part[-1]["createdAt"], part[-1]["_id"])
