"""Count the cells and the queues of events that were stored before there were any.

The cells follow from the bookings and from what is in flight, and the queues in the same way from
the waitlist entries (`bookings.stock_audit`). The events are read in the order of their ids, in
batches. Each is written only if it still has the revision that was read. So it may be sold
meanwhile, and several processes may count at once: the second one finds the revision changed. A
sale of an event that is not counted yet changes no cells, and nobody joins its waitlist.

Events that are counted already are compared, too, because the migration of bookings that failed may
have been repeated since.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import cast

from eventapp.bookings.stock_audit import read_expected_stock
from eventapp.core.database import Db
from eventapp.due_work.service import DueRun
from eventapp.events.service import (
    build_queues,
    list_queues,
    recount_queues,
    recount_quota,
)
from eventapp.events.stock_types import Cells
from eventapp.events.types import AuditedState
from eventapp.inventory.repairs import StockRepairs
from eventapp.inventory.service import get_quotas

BATCH_SIZE = 500


def count_cells(db: Db, now: datetime) -> bool:
    """Count the cells and queues of all events, and return whether all are right.

    The bookings and waitlist entries must have been migrated before. An event that cannot be
    counted is recorded as failed work, and delays no other.
    """
    run, repairs = DueRun(db, "cell count", now), StockRepairs(db)
    return run.finish_all(partial(_try_each_event, db, repairs, run))


def _try_each_event(db: Db, repairs: StockRepairs, run: DueRun) -> int:
    """Try once to count each event that has not failed; return how many were wrong."""
    found, last_id = 0, 0
    while batch := repairs.find_events_after(last_id, BATCH_SIZE):
        last_id = batch[-1]["eventId"]

        def count(events: Sequence[AuditedState]) -> int:
            nonlocal found
            found += (wrong := _count(db, repairs, events))
            return wrong

        run.process(
            [event for event in batch if event["eventId"] not in run.waiting],
            get_key=lambda event: event["eventId"],
            handle=lambda event: count([event]),
            handle_together=count,
        )
    return found


def _count(db: Db, repairs: StockRepairs, events: Sequence[AuditedState]) -> int:
    """Write the cells and queues of those events where they are wrong; return how many these are.

    An event that another process has changed since it was read stays as it is.
    """
    expected = read_expected_stock(db, events)
    wrong = []
    for event in events:
        stock = expected[event["eventId"]]
        cells, queues = stock.build_cells(), stock.place_queues()
        is_counted = event.get("cellsCounted") and "waitSequence" in event
        if (
            not is_counted
            or drop_empty(event.get("cells", {})) != cells
            or sorted(list_queues(event.get("queues", {}))) != queues
        ):
            quotas = [recount_quota(quota, cells) for quota in get_quotas(event)]
            counted = recount_queues(build_queues(queues), event["ticketTypes"], quotas)
            wrong.append((event, cells, counted))
    if wrong:
        repairs.write_counts(wrong)
    return len(wrong)


def drop_empty(cells: Cells) -> Cells:
    """Return the cells without those that are empty, as `ExpectedStock.build_cells` does."""
    kept = {
        schedule_id: {
            type_id: {name: value for name, value in cast(Mapping[str, int], cell).items() if value}
            for type_id, cell in by_type.items()
            if any(cast(Mapping[str, int], cell).values())
        }
        for schedule_id, by_type in cells.items()
    }
    return cast(Cells, {schedule_id: by_type for schedule_id, by_type in kept.items() if by_type})
