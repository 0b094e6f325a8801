"""Copy the entries of bookings into the ledger, and read up to which number it is filled.

The ledger has a row for each entry of each booking. A row never changes, and is never removed. Its
number tells when it was stored, in relation to all other rows. Whoever has read all rows up to a
number, and later reads those with a higher number, misses none and reads none twice, whatever the
clocks of the processes say. The time of an entry is that of the request that made the change, and
may be older than the row by any span.

A check-in has a row, too, all of whose numbers are 0. So what is told of a booking has one order.

**Copying.** An entry is pushed to its booking in the same write as the change, and this write marks
the booking as due (`ledgerDue`). `copy_entries` copies the entries of due bookings, and unmarks a
booking if it has got no other entry since it was read. It may be interrupted between any two writes
and run in any number of processes at the same time: the id of a row is that of its booking and the
position of the entry, so no entry is copied twice, and a booking is unmarked only after all its
entries were copied. `store.append_rows` explains the numbers.
"""

from collections.abc import Sequence
from datetime import datetime

from eventapp.bookings.ledger import store
from eventapp.bookings.ledger.entries import build_check_in_entry
from eventapp.bookings.ledger.types import BookingWithEntries, LedgerRow, NewLedgerRow
from eventapp.core.database import Db
from eventapp.core.failpoints import failpoint
from eventapp.due_work.service import DueRun

# `tickets` builds its entry by this, and cannot import the rules.
__all__ = [
    "build_check_in_entry",
    "copy_entries",
    "find_highest_number",
    "find_rows",
    "find_rows_by_id",
]

# A batch of the embedded store keeps requests waiting for some tens of milliseconds.
BATCH_SIZE = 200
# What one call copies at most. The next run of the job, seconds later, copies more.
MAX_BATCHES = 250


def copy_entries(db: Db, now: datetime) -> int:
    """Copy the entries of due bookings, of BATCH_SIZE * MAX_BATCHES at most.

    A broken booking delays no other (see `eventapp.due_work`).

    Returns:
        How many bookings were due and could be copied.
    """
    copied, run = 0, DueRun(db, "ledger entry", now)
    for _batch in range(MAX_BATCHES):
        bookings = store.find_due(db, BATCH_SIZE, run.waiting)
        copied += run.process(
            bookings,
            get_key=lambda booking: booking["_id"],
            handle=lambda booking: _copy(db, [booking]),
            handle_together=lambda batch: _copy(db, batch),
        )
        if len(bookings) < BATCH_SIZE:
            run.forget_absent()
            break
    return copied


def _copy(db: Db, bookings: Sequence[BookingWithEntries]) -> int:
    # A store returns due bookings in no particular order, and each store in another one.
    in_order = sorted(bookings, key=lambda booking: booking["_id"])
    store.append_rows(db, [row for booking in in_order for row in _build_rows(booking)])
    failpoint("ledger-appended")
    store.clear_due(db, bookings)
    return len(bookings)


def find_highest_number(db: Db) -> int:
    """Return the number of the last row of the ledger, 0 if it is empty."""
    return store.find_highest_number(db)


def find_rows(db: Db, after: int, last: int) -> list[LedgerRow]:
    """Return the rows with a number above `after` and up to `last`, in order."""
    return store.find_rows(db, after, last)


def find_rows_by_id(db: Db, row_ids: Sequence[str]) -> list[LedgerRow]:
    """Return the rows with these ids, in the order of their numbers."""
    return store.find_rows_by_id(db, row_ids) if row_ids else []


def _build_rows(booking: BookingWithEntries) -> list[NewLedgerRow]:
    return [
        {
            **entry,
            "_id": f"{booking['_id']}-{number}",
            "eventId": booking["eventId"],
            "organizerId": booking["organizerId"],
            "bookedAt": booking["createdAt"],
        }
        for number, entry in enumerate(booking.get("entries", []), start=1)
    ]
