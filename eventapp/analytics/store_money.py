"""Queries that sum up the money in the ledger, and that store and load the sums.

money_sums.py describes the stored sums.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple, cast

from pymongo import ASCENDING, IndexModel, InsertOne, UpdateOne
from pymongo.errors import BulkWriteError

from eventapp.analytics.types import MoneyRow, StoredMoney
from eventapp.core.database import Db, Query, has_only_duplicates

INDEXES = {
    "moneySums": [IndexModel([("scope", ASCENDING), ("day", ASCENDING)], name="scope_day")],
    # For tables of the money of an event, or of an organizer's events.
    "ledger": [
        IndexModel([("eventId", ASCENDING), ("number", ASCENDING)], name="event"),
        IndexModel([("organizerId", ASCENDING), ("number", ASCENDING)], name="organizer"),
    ],
}
ROW_FIELDS = ("number", "at", "kind", "eventId", "organizerId", "paid", "fee", "provider")
IDS_PER_QUERY = 1000
WRITES_PER_BATCH = 500


class SumsChange(NamedTuple):
    """What is added to one document of `moneySums`.

    Attributes:
        key: the scope, and the day or None.
        id: the `_id` of the document.
        old_up_to: its `upTo` when it was read; None if it does not exist.
        up_to: its new `upTo`.
        slots: what is added to each slot: cents by name.
    """

    key: tuple[str, datetime | None]
    id: str
    old_up_to: int | None
    up_to: int
    slots: dict[str, dict[str, int]]


def make_id(scope: str, day: datetime | None) -> str:
    """Return the `_id` of a document of `moneySums`."""
    return f"{scope}:{day:%Y-%m-%d}" if day else scope


def find_totals(db: Db, scopes: Iterable[str]) -> list[StoredMoney]:
    """Return the stored sums of these scopes over all time."""
    return cast(list[StoredMoney], list(db.moneySums.find({"_id": {"$in": list(scopes)}})))


def find_days(
    db: Db, scope: str, start: datetime | None = None, end: datetime | None = None
) -> list[StoredMoney]:
    """Return the stored days of a scope, all of them or those from `start` to `end` (exclusive)."""
    day = {"$gte": start, "$lt": end} if start and end else {"$ne": None}
    return cast(list[StoredMoney], list(db.moneySums.find({"scope": scope, "day": day})))


def find_up_to(db: Db, ids: Sequence[str]) -> dict[str, int]:
    """Return the `upTo` of these documents of `moneySums`, by `_id`."""
    found: dict[str, int] = {}
    for first in range(0, len(ids), IDS_PER_QUERY):
        where = {"_id": {"$in": list(ids[first : first + IDS_PER_QUERY])}}
        found |= {each["_id"]: each["upTo"] for each in db.moneySums.find(where, {"upTo": 1})}
    return found


def add_sums(db: Db, changes: Sequence[SumsChange]) -> bool:
    """Add to stored sums. Return False if another run has changed one of the documents."""
    for first in range(0, len(changes), WRITES_PER_BATCH):
        batch = changes[first : first + WRITES_PER_BATCH]
        try:
            result = db.moneySums.bulk_write(list(map(_build_write, batch)), ordered=False)
        except BulkWriteError as error:
            if not has_only_duplicates(error):
                raise
            return False
        if result.inserted_count + result.matched_count < len(batch):
            return False
    return True


def _build_write(change: SumsChange) -> InsertOne[Query] | UpdateOne:
    if change.old_up_to is None:
        scope, day = change.key
        fields = {"_id": change.id, "scope": scope, "day": day}
        return InsertOne({**fields, "slots": change.slots, "upTo": change.up_to})
    added = {
        f"slots.{slot}.{name}": cents
        for slot, amounts in change.slots.items()
        for name, cents in amounts.items()
    }
    unchanged = {"_id": change.id, "upTo": change.old_up_to}
    return UpdateOne(unchanged, {"$inc": added, "$set": {"upTo": change.up_to}})


def find_rows(db: Db, after: int, up_to: int, where: Query) -> list[MoneyRow]:
    """Return the rows of the ledger from number `after` (exclusive) to `up_to`, in their order."""
    numbers = {"number": {"$gt": after, "$lte": up_to}}
    found = db.ledger.find({**where, **numbers}, ROW_FIELDS).sort("number", ASCENDING)
    return cast(list[MoneyRow], list(found))


def find_first_rows(db: Db, after: int, up_to: int, where: Query, limit: int) -> list[MoneyRow]:
    """Return the first rows of the ledger with a number in this range, `limit` at most."""
    numbers = {"number": {"$gt": after, "$lte": up_to}}
    found = db.ledger.find({**where, **numbers}, (*ROW_FIELDS, "providerId"))
    return cast(list[MoneyRow], list(found.sort("number", ASCENDING).limit(limit)))


def find_pending_rows(db: Db, where: Query) -> list[MoneyRow]:
    """Return the entries of bookings that have entries which may not be in the ledger yet.

    Their number is 0.
    """
    fields = {"eventId": 1, "organizerId": 1, "entries": 1}
    return [
        cast(
            MoneyRow,
            {
                **entry,
                "_id": f"{booking['_id']}-{position}",
                "eventId": booking["eventId"],
                "organizerId": booking["organizerId"],
                "number": 0,
            },
        )
        for booking in db.bookings.find({"ledgerDue": True, **where}, fields)
        for position, entry in enumerate(booking.get("entries", []), start=1)
    ]


def find_copied_ids(db: Db, ids: Sequence[str], up_to: int) -> set[str]:
    """Return those of these ids under which the ledger has a row with a number up to this one."""
    found: set[str] = set()
    for first in range(0, len(ids), IDS_PER_QUERY):
        batch = list(ids[first : first + IDS_PER_QUERY])
        where = {"_id": {"$in": batch}, "number": {"$lte": up_to}}
        found |= {row["_id"] for row in db.ledger.find(where, {"_id": 1})}
    return found
