"""Find the holders of the confirmed bookings of an event."""

from collections.abc import Iterable, Mapping
from typing import cast

from eventapp.bookings.store import NEWEST_FIRST, BookingPosition, build_position_filter
from eventapp.bookings.types import HeldBooking, HolderFilter
from eventapp.core.database import Db, Query

# The values of `checkIns` where no ticket of a booking is checked in; None stands for its absence.
NO_CHECK_INS: tuple[None, Query] = (None, {})
FIELDS = {"userId": 1, "createdAt": 1}


def count_holders(db: Db, event_id: int, wanted: HolderFilter) -> int:
    """Return how many users hold these bookings of an event, each counted once."""
    stages: list[Query] = [
        {"$match": _build_filter(event_id, wanted)},
        {"$group": {"_id": "$userId"}},
        {"$group": {"_id": None, "count": {"$sum": 1}}},
    ]
    found = cast(Iterable[Mapping[str, int]], db.bookings.aggregate(stages))
    return next((each["count"] for each in found), 0)


def find_bookings(
    db: Db, event_id: int, wanted: HolderFilter, after: BookingPosition | None, limit: int
) -> list[HeldBooking]:
    """Return these bookings of an event, newest first.

    Args:
        after: the position after which they begin; None to begin with the newest.
    """
    where = _build_filter(event_id, wanted)
    if after:
        where = {"$and": [where, *build_position_filter(after)]}
    found = db.bookings.find(where, FIELDS).sort(NEWEST_FIRST).limit(limit)
    return cast(list[HeldBooking], list(found))


def _build_filter(event_id: int, wanted: HolderFilter) -> Query:
    where: Query = {"eventId": event_id, "status": "confirmed", "userId": {"$ne": None}}
    if "ticketTypeIds" in wanted:
        where["items.ticketTypeId"] = {"$in": wanted["ticketTypeIds"]}
    if "scheduleIds" in wanted:
        where["scheduleId"] = {"$in": wanted["scheduleIds"]}
    if "checkedIn" in wanted:
        where["checkIns"] = {"$nin" if wanted["checkedIn"] else "$in": list(NO_CHECK_INS)}
    return where
