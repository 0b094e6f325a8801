"""Find who holds the confirmed bookings of an event, for features that write to the holders."""

from eventapp.bookings import store_holders
from eventapp.bookings.store import BookingPosition
from eventapp.bookings.types import HeldBooking, HolderFilter
from eventapp.core.database import Db


def count_holders(db: Db, event_id: int, wanted: HolderFilter) -> int:
    """Return how many users hold these bookings of an event, each counted once."""
    return store_holders.count_holders(db, event_id, wanted)


def find_bookings(
    db: Db, event_id: int, wanted: HolderFilter, after: BookingPosition | None, limit: int
) -> list[HeldBooking]:
    """Return up to `limit` of these bookings of an event, newest first.

    Those of erased users are left out.

    Args:
        after: the `createdAt` and `_id` of the booking after which they begin; None for the first.
    """
    return store_holders.find_bookings(db, event_id, wanted, after, limit)
