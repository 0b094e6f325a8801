"""Add entries to bookings, and copy them into the collection `ledger`."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.collection import Collection
from pymongo.read_concern import ReadConcern

from eventapp.bookings.ledger.types import (
    BookingWithEntries,
    LedgerEntry,
    LedgerNumber,
    LedgerRow,
    LedgerRowId,
    NewLedgerRow,
)
from eventapp.core.database import (
    Db,
    Query,
    exclude_ids,
    insert_in_order,
    make_unknown_outcome_error,
)

INDEXES = {
    "bookings": [
        IndexModel(
            [("ledgerDue", ASCENDING)],
            name="ledger_due",
            partialFilterExpression={"ledgerDue": True},
        )
    ],
    "ledger": [
        IndexModel([("number", ASCENDING)], name="number", unique=True),
        # For reports, which look for the rows of a day.
        IndexModel([("at", ASCENDING), ("number", ASCENDING)], name="at"),
    ],
}
# How often rows are numbered anew because others have stored some at the same moment.
MAX_ATTEMPTS = 200
COPIED_FIELDS = ("eventId", "organizerId", "createdAt", "entries")


def build_update(
    fields: Mapping[str, object],
    entries: Sequence[LedgerEntry],
    removed: Sequence[str] = (),
    pushed: Mapping[str, object] | None = None,
) -> Query:
    """Return the update that sets and removes fields of a booking and adds entries to it.

    The number of an entry is its position, from 1. So writers of other changes of the booking
    cannot use the same number.

    Args:
        pushed: elements to add to other arrays, by their names. They come with entries.
    """
    update: Query = {"$unset": dict.fromkeys(removed, "")} if removed else {}
    if not entries:
        return {**update, "$set": fields}
    return {
        **update,
        "$set": {**fields, "ledgerDue": True},
        "$push": {**(pushed or {}), "entries": {"$each": list(entries)}},
    }


def find_due(db: Db, limit: int, without: Sequence[object] = ()) -> list[BookingWithEntries]:
    """Return bookings with entries that are not yet in the ledger, without those with these ids."""
    due = {"ledgerDue": True, **exclude_ids(without)}
    found = db.bookings.find(due, COPIED_FIELDS).limit(limit)
    return cast(list[BookingWithEntries], list(found))


def clear_due(db: Db, bookings: Iterable[BookingWithEntries]) -> None:
    """Record that all entries of these bookings are in the ledger.

    A booking that got another entry since it was read stays due.
    """
    ids_by_count: defaultdict[int, list[ObjectId]] = defaultdict(list)
    for booking in bookings:
        ids_by_count[len(booking.get("entries", []))].append(booking["_id"])
    for count, ids in ids_by_count.items():
        unchanged = {"_id": {"$in": ids}, f"entries.{count}": {"$exists": False}}
        db.bookings.update_many(unchanged, {"$unset": {"ledgerDue": ""}})


def append_rows(db: Db, rows: Sequence[NewLedgerRow]) -> None:
    """Append rows to the ledger, except those that it has.

    Each row gets the number that follows the highest one. If another process appends rows at the
    same moment, the unique index refuses the number that both have chosen; one of them then reads
    the ledger again and goes on. Rows are stored in the order of their numbers. So at any time the
    numbers in the ledger are those from 1 to the highest, and no lower one is ever added.

    Raises:
        AutoReconnect: rows that others have stored are not visible yet, because the servers of the
            replica set do not answer. Some rows may have been appended.
    """
    ledger = cast(Collection[LedgerRow], db.ledger)
    for _attempt in range(MAX_ATTEMPTS):
        missing = _leave_out_existing(db, rows)
        if not missing:
            return
        first = find_highest_number(db) + 1
        numbered = [
            cast(LedgerRow, {**row, "number": number})
            for number, row in enumerate(missing, start=first)
        ]
        if insert_in_order(ledger, numbered):
            return
        rows = missing
    raise make_unknown_outcome_error(ledger.name)


def _leave_out_existing(db: Db, rows: Sequence[NewLedgerRow]) -> list[NewLedgerRow]:
    if not rows:
        return []
    ids = [row["_id"] for row in rows]
    found = cast(Iterable[LedgerRowId], db.ledger.find({"_id": {"$in": ids}}, {"_id": 1}))
    existing = {row["_id"] for row in found}
    return [row for row in rows if row["_id"] not in existing]


def find_highest_number(db: Db) -> int:
    """Return the highest number in the ledger, 0 if it is empty.

    It is that of a row that no failover can roll back: otherwise the number would be free again.
    """
    ledger = db.ledger.with_options(read_concern=ReadConcern("majority"))
    last = ledger.find_one({}, {"_id": 0, "number": 1}, sort=[("number", DESCENDING)])
    return cast(LedgerNumber, last)["number"] if last else 0


def find_rows(db: Db, after: int, last: int) -> list[LedgerRow]:
    """Return the rows with a number above `after` and up to `last`, in order."""
    ledger = cast(Collection[LedgerRow], db.ledger)
    return list(ledger.find({"number": {"$gt": after, "$lte": last}}).sort("number", ASCENDING))


def find_rows_by_id(db: Db, row_ids: Sequence[str]) -> list[LedgerRow]:
    """Return the rows with these ids, in the order of their numbers."""
    ledger = cast(Collection[LedgerRow], db.ledger)
    return list(ledger.find({"_id": {"$in": list(row_ids)}}).sort("number", ASCENDING))
