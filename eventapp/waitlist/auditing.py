"""Read what audits need of the waitlist entries: sums, single entries, and the events."""

from collections.abc import Sequence

from bson import ObjectId

from eventapp.core.database import Db
from eventapp.waitlist import store_audits
from eventapp.waitlist.types import WaitingSum, WaitlistEntry


def sum_waiting(
    db: Db, event_ids: Sequence[int], excluded_ids: Sequence[ObjectId]
) -> list[WaitingSum]:
    """Return how many entries of these events are active or have a pending leave.

    Args:
        excluded_ids: entries that are not counted.
    """
    return store_audits.sum_waiting(db, event_ids, excluded_ids)


def find_entries(db: Db, entry_ids: Sequence[ObjectId]) -> list[WaitlistEntry]:
    """Return the entries that are stored under these ids."""
    return store_audits.find_entries(db, entry_ids)


def find_event_ids(db: Db, after: int, limit: int) -> list[int]:
    """Return eventIds above `after` for which somebody waits, in order, at most `limit`.

    There may be more even if there are fewer than `limit`; there are none if the list is empty.
    """
    return store_audits.find_event_ids(db, after, limit)
