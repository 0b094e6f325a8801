"""Make deliveries of what happens, for the webhooks that receive it.

**What happens** is noted in the very write that makes it happen, and by nobody else. The ledger has
a row for each change of the tickets and the money of a booking, and the log of an event an entry
for each change of the event. So a fact is told if and only if it has happened, whenever a process
dies, and a sale neither reads webhooks nor writes anything for them.

**Position.** Deliveries are made of the rows of the ledger in the order of their numbers. When all
of a batch are stored, the position is moved after them. Entries of logs carry a mark until their
deliveries are stored. Any number of workers may do both at once, and die between any two writes:
the id of a delivery follows from the webhook and the fact, so it is stored once.

**Erasure.** A body is rendered of a booking as it was read. After the delivery is stored, the
booking is read again: if its holder was erased meanwhile, personal data is removed from the
deliveries. An erasure that comes later finds them itself (`personal_data`).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from bson import ObjectId

from eventapp.bookings import service as bookings
from eventapp.bookings.context import BookingContext
from eventapp.bookings.ledger import service as ledger
from eventapp.bookings.ledger.types import LedgerRow
from eventapp.bookings.types import StoredBooking
from eventapp.core.database import Db
from eventapp.core.failpoints import failpoint
from eventapp.due_work.service import DueRun, process_due
from eventapp.events import event_log, ownership
from eventapp.events.log_types import LogRow
from eventapp.webhooks import payloads, personal_data, store_facts
from eventapp.webhooks.deliveries import Recipients

# Rows of the ledger, or entries of logs, that are handled together; and batches of one run.
BATCH_SIZE, MAX_BATCHES = 200, 50


def make_deliveries(context: BookingContext, now: datetime) -> int:
    """Make the deliveries of all that has happened since the last run; return how many."""
    return make_of_bookings(context, now) + make_of_events(context, now)


# Facts of bookings.


def make_of_bookings(context: BookingContext, now: datetime) -> int:
    """Make the deliveries of changes of bookings; return how many were stored."""
    db, position = context.db, store_facts.find_position(context.db)
    if position is None:  # There was never a webhook.
        return 0
    ledger.copy_entries(db, now)
    reached, run = ledger.find_highest_number(db), DueRun(db, "webhook fact", now)
    failed_ids = [str(key) for key in run.retried]
    made = _process(context, run, ledger.find_rows_by_id(db, failed_ids), now)
    for _batch in range(MAX_BATCHES):
        if position >= reached:
            break
        last = min(position + BATCH_SIZE, reached)
        made += _process(context, run, ledger.find_rows(db, position, last), now)
        failpoint("webhook-deliveries-stored")
        store_facts.advance(db, last)
        position = last
    run.forget_absent()
    return made


def _process(context: BookingContext, run: DueRun, rows: Sequence[LedgerRow], now: datetime) -> int:
    return run.process(
        [row for row in rows if row["kind"] in payloads.TOLD_ENTRIES],
        get_key=lambda row: row["_id"],
        handle=lambda row: _make_of_rows(context, [row], now),
        handle_together=lambda batch: _make_of_rows(context, batch, now),
    )


def _make_of_rows(context: BookingContext, rows: Sequence[LedgerRow], now: datetime) -> int:
    db, owner_ids = context.db, _find_owners(context.db, rows)
    recipients = Recipients(db, owner_ids.values(), now)
    told = [row for row in rows if recipients.include(owner_ids.get(row["eventId"]))]
    if not told:
        return 0
    booking_ids = [payloads.get_booking_id(row) for row in told]
    found = {each["_id"]: each for each in bookings.find_bookings(db, booking_ids)}
    facts = [
        fact
        for row in told
        if (booking := found.get(payloads.get_booking_id(row)))
        and (owner_id := owner_ids[row["eventId"]])
        and (fact := payloads.make_booking_fact(row, booking, owner_id))
    ]
    made = recipients.store_deliveries(facts, now)
    _erase_if_forgotten(db, found, now)
    return made


def _find_owners(db: Db, rows: Iterable[LedgerRow]) -> dict[int, ObjectId | None]:
    """Return the present organizer of each event; of a deleted one the last."""
    last = {row["eventId"]: row["organizerId"] for row in rows}
    return {**last, **ownership.find_organizer_ids(db, list(last))}


def _erase_if_forgotten(db: Db, read: Mapping[ObjectId, StoredBooking], now: datetime) -> None:
    """Remove the personal data of holders who were erased since their bookings were read."""
    present = {each["_id"]: each["userId"] for each in bookings.find_bookings(db, list(read))}
    for booking_id, booking in read.items():
        holder_id = booking["userId"]
        if holder_id and present.get(booking_id) != holder_id:
            personal_data.forget_holder(db, holder_id, now)


# Facts of events.


def make_of_events(context: BookingContext, now: datetime) -> int:
    """Make the deliveries of edits and cancellations of events; return how many were stored."""
    return process_due(
        context.db,
        "webhook fact of event",
        now,
        find=lambda limit, without: event_log.find_untold(context.db, limit, without),
        limit=BATCH_SIZE,
        get_key=lambda row: row["_id"],
        handle=lambda row: _make_of_log(context, [row], now),
        handle_together=lambda rows: _make_of_log(context, rows, now),
    )


def _make_of_log(context: BookingContext, rows: Sequence[LogRow], now: datetime) -> int:
    db, event_ids = context.db, sorted({row["eventId"] for row in rows})
    owner_ids = ownership.find_organizer_ids(db, event_ids)
    recipients = Recipients(db, owner_ids.values(), now)
    told = [row for row in rows if recipients.include(owner_ids.get(row["eventId"]))]
    facts = payloads.make_event_facts(context, told, owner_ids, now)
    made = recipients.store_deliveries(facts, now)
    failpoint("webhook-deliveries-stored")
    event_log.mark_told(db, [row["_id"] for row in rows])
    return made
