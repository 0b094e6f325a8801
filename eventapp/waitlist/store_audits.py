"""Read what the waitlist entries of events require of `waiting`, each entry at one moment.

An entry ends and gets a pending leave in one write. So an audit must read both at once, and must
read each entry only once. `eventapp.bookings.stock_audit` says why that is enough.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from bson import ObjectId
from pymongo import ASCENDING

from eventapp.core.database import Db, Query
from eventapp.waitlist.types import WaitingSum, WaitlistEntry

# The index that a sum is read by. Its keys never change, so an entry that ends while the index is
# scanned is neither missed nor met twice. The index of the queue contains `active` and would allow
# both.
SCANNED_INDEX = "event"


def sum_waiting(
    db: Db, event_ids: Sequence[int], excluded_ids: Sequence[ObjectId]
) -> list[WaitingSum]:
    """Return how many entries are active or have a pending leave.

    Args:
        excluded_ids: entries that are not counted.
    """
    counted = {"$or": [{"active": True}, {"restock": "due"}], "_id": {"$nin": list(excluded_ids)}}
    stages: list[Query] = [
        {"$match": {"eventId": {"$in": list(event_ids)}, **counted}},
        {
            "$group": {
                "_id": {
                    "event": "$eventId",
                    "type": "$ticketTypeId",
                    "schedule": {"$ifNull": ["$scheduleId", 0]},
                    "leavingId": {"$cond": ["$active", None, "$_id"]},
                    "offerId": {"$ifNull": ["$offering.bookingId", None]},
                },
                "entries": {"$sum": 1},
            }
        },
    ]
    rows = db.waitlist.aggregate(stages, hint=SCANNED_INDEX)
    return [
        cast(WaitingSum, {**cast(Mapping[str, object], row["_id"]), "entries": row["entries"]})
        for row in cast(Iterable[Mapping[str, object]], rows)
    ]


def find_entries(db: Db, entry_ids: Sequence[ObjectId]) -> list[WaitlistEntry]:
    """Return the entries that are stored under these ids; tombstones are left out."""
    where = {"_id": {"$in": list(entry_ids)}, "void": {"$ne": True}}
    return cast(list[WaitlistEntry], list(db.waitlist.find(where))) if entry_ids else []


def find_event_ids(db: Db, after: int, limit: int) -> list[int]:
    """Return eventIds above `after` of the next `limit` active entries, in order, each once."""
    where = {"eventId": {"$gt": after}, "active": True}
    found = db.waitlist.find(where, {"eventId": 1}, hint=SCANNED_INDEX)
    entries = cast(Iterable[WaitlistEntry], found.sort("eventId", ASCENDING).limit(limit))
    return list(dict.fromkeys(entry["eventId"] for entry in entries))
