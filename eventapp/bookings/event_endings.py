"""Ending every booking of an event, many in each write."""

import math
import time
from collections.abc import Callable
from datetime import datetime

from eventapp.bookings import rules, store
from eventapp.bookings.context import BookingContext
from eventapp.bookings.transitions import ending, settle_due
from eventapp.core.clock import advancing_clock
from eventapp.core.failpoints import failpoint

ENDED_AT_ONCE = 200
# Of who waits for it; the worker has more.
PATIENCE_SECONDS = 2.0


def end_all(
    context: BookingContext, event_id: int, reason: str, now: datetime, patience: float = math.inf
) -> int:
    """Cancel and refund the active bookings of an event; how many there were.

    Args:
        patience: seconds after which it stops, whatever is left.
    """
    total, clock, over = 0, advancing_clock(now), time.monotonic() + patience
    while ended := _end_each(context, event_id, reason, clock, over):
        total += ended
        if time.monotonic() > over:
            break
    return total


def _end_each(
    context: BookingContext, event_id: int, reason: str, clock: Callable[[], datetime], over: float
) -> int:
    """Go once through the active ones. One that another request just changes may be left."""
    total, after = 0, None
    active = {"eventId": event_id, "active": True}
    while rows := store.page(context.db, active, skip=0, limit=ENDED_AT_ONCE, after=after):
        after = (rows[-1]["createdAt"], rows[-1]["_id"])
        now = clock()
        settle_due(context, [row for row in rows if row.get("restock") == "due"], now)
        ends = [(row, ending(row, rules.CANCELLED, reason, now)) for row in rows]
        if ended := store.end_all(context.db, ends):
            failpoint("end")
        total += ended
        settle_due(context, store.due_among(context.db, [row["_id"] for row in rows]), now)
        if time.monotonic() > over:
            break
    return total
