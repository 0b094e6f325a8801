"""Check that the stock of events agrees with the bookings and waitlist entries, and repair it.

The counters of a ticket type must equal the records: `soldTickets` the tickets of its confirmed
bookings, `heldTickets` those of its held bookings, and `waiting` its active waitlist entries. So
must the cells, which count sold and held tickets by schedule entry. A quota has the places that the
tickets in the cells that it matches leave of its capacity. The uses of a promo code must equal the
active bookings that carry it. Available, sold and held tickets must add up to `capacity`.
`bookings.stock_audit` computes what the counters should be, also while changes are in flight.

Its result is exact for an event that is not written while the records are read. A check therefore
reads the revision of each event again. If it has changed, the event is compared once more, and if
it keeps changing, it is closed for the time that its records are read: sales and edits of the event
wait for a moment. A repair always closes the event. It writes only if the event still has the
revision that it has read, and its own token. So neither a process that writes too early, because
its clock is ahead, nor a repair that was suspended can make a wrong counter. A repair that dies
leaves an event that opens by itself.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeVar, cast

from eventapp.bookings.context import BookingContext
from eventapp.bookings.recovery import ABANDONED_AFTER, recover
from eventapp.bookings.stock_audit import ExpectedStock, read_expected_stock
from eventapp.core.clock import start_clock
from eventapp.events.service import (
    build_queues,
    count_taken,
    count_waiting,
    list_queues,
    recount_queues,
    recount_quota,
)
from eventapp.events.stock_types import Cells
from eventapp.events.types import AuditedState, TicketType
from eventapp.inventory.repairs import ClosedEvent
from eventapp.inventory.service import CELL_COUNTERS, get_quotas

EVENTS_PER_BATCH = 500
# How often an event that keeps changing is compared while it is open, and then while it is closed.
OPEN_ATTEMPTS, CLOSED_ATTEMPTS = 5, 10
# The first attempt closes an event for this long, and each further attempt for as much longer.
# Reading the records of most events takes milliseconds, but there may be a million bookings.
CLOSED_FOR = timedelta(seconds=5)
# The requests that waited for a closed event go first, before it is closed again.
PAUSE_SECONDS = 0.1
# A worker resolves entries that are older than ABANDONED_AFTER. An entry as old as this shows that
# no worker runs.
STUCK_AFTER = 4 * ABANDONED_AFTER

Result = TypeVar("Result")
Counter = Literal["availableTickets", "soldTickets", "heldTickets", "waiting"]
# The counters that follow from bookings and waitlist entries, and all that are never negative.
DERIVED_COUNTERS: tuple[Counter, ...] = ("soldTickets", "heldTickets", "waiting")
COUNTERS: tuple[Counter, ...] = ("availableTickets", *DERIVED_COUNTERS)


@dataclass(frozen=True)
class Fault:
    """A fault in the stock of one event, described in `message`."""

    event_id: int
    message: str


# Checking.


def check(
    context: BookingContext,
    now: datetime,
    *,
    on_checked: Callable[[int], object] = lambda _events: None,
) -> Iterator[Fault]:
    """Yield all faults of all events.

    Nothing is written, except that an event which changes during each of OPEN_ATTEMPTS comparisons
    is closed for a moment.

    Args:
        on_checked: called after each batch with the number of its events.
    """
    last_id = 0
    while events := context.inventory.repairs.find_events_after(last_id, EVENTS_PER_BATCH):
        expected = read_expected_stock(context.db, events)
        unchanged = _find_unchanged(context, events)
        for event in events:
            event_id = event["eventId"]
            if event_id in unchanged:
                messages = list(_find_faults(event, expected[event_id], now))
            else:
                messages = _check_changing_event(context, event_id, now)
            for message in messages:
                yield Fault(event_id, message)
        on_checked(len(events))
        last_id = events[-1]["eventId"]


def _find_unchanged(context: BookingContext, events: list[AuditedState]) -> set[int]:
    """Return the eventIds of those events that still have the revision that was read."""
    revisions = context.inventory.repairs.find_revisions([event["eventId"] for event in events])
    return {event["eventId"] for event in events if revisions.get(event["eventId"]) == event["rev"]}


def _check_changing_event(context: BookingContext, event_id: int, now: datetime) -> list[str]:
    """Return the faults of an event that changes while it is compared."""
    for _attempt in range(OPEN_ATTEMPTS):
        event = context.inventory.repairs.find_event(event_id)
        if event is None:
            return []
        faults = _compare(context, event, now)
        if faults is not None:
            return faults
    faults = _run_while_closed(
        context, event_id, now, lambda closed: _compare(context, closed.event, now)
    )
    if faults is None and context.inventory.in_flight_entries.find_event(event_id):
        return ["kept changing, so it was not compared"]
    return faults or []


def _compare(context: BookingContext, event: AuditedState, now: datetime) -> list[str] | None:
    """Return the faults of an event, or None if it has changed since it was read."""
    expected = read_expected_stock(context.db, [event])[event["eventId"]]
    if not _find_unchanged(context, [event]):
        return None
    return list(_find_faults(event, expected, now))


def _run_while_closed(
    context: BookingContext,
    event_id: int,
    now: datetime,
    work: Callable[[ClosedEvent], Result | None],
) -> Result | None:
    """Close an event and call `work` until it returns a result, up to CLOSED_ATTEMPTS times.

    Returns:
        The result; None if there was none, if there is no such event, or if another repair kept it
        closed.
    """
    clock = start_clock(now)
    for attempt in range(1, CLOSED_ATTEMPTS + 1):
        until = clock() + attempt * CLOSED_FOR
        with context.inventory.repairs.close(event_id, clock(), until) as closed:
            result = work(closed) if closed else None
        if result is not None or not context.inventory.repairs.find_revisions([event_id]):
            return result
        time.sleep(PAUSE_SECONDS)
    return None


def _find_faults(event: AuditedState, expected: ExpectedStock, now: datetime) -> Iterator[str]:
    waiting_by_type, waiting_by_quota = count_waiting(expected.place_queues())
    for ticket_type in event["ticketTypes"]:
        type_id = ticket_type["ticketTypeId"]
        counters = {**expected.counters[type_id], "waiting": waiting_by_type.get(type_id, 0)}
        yield from _find_type_faults(ticket_type, counters)
    if event["available"] != sum(each["availableTickets"] for each in event["ticketTypes"]):
        yield f"available is {event['available']}, not the sum of its types"
    if event.get("cellsCounted"):
        yield from _find_cell_faults(event.get("cells", {}), expected)
        yield from _find_quota_faults(event, expected.build_cells(), waiting_by_quota)
    if "waitSequence" in event:
        yield from _find_queue_faults(event, expected)
    yield from _find_promo_faults(event, expected.promo_uses)
    for key in expected.find_stuck_keys(before=now - STUCK_AFTER):
        yield f"{key} is stuck: neither recorded nor given back"


def _find_promo_faults(event: AuditedState, uses: Mapping[str, int]) -> Iterator[str]:
    codes = event.get("promoCodes", {})
    for key, code in codes.items():
        used, should_be = code["used"], uses.get(key, 0)
        if used != should_be:
            yield f"promo code {code['code']}: used is {used}, should be {should_be}"
        if used < 0 or used > code.get("maxUses", used):
            yield f"promo code {code['code']}: used is {used}, outside 0 to {code.get('maxUses')}"
    for key in sorted(uses.keys() - codes.keys()):
        if uses[key]:
            yield f"promo code {key}: {uses[key]} bookings carry it, and the event has no such code"


def _find_type_faults(ticket_type: TicketType, expected: Mapping[str, int]) -> Iterator[str]:
    name, capacity = ticket_type["type"], ticket_type["capacity"]
    for counter in DERIVED_COUNTERS:
        if ticket_type[counter] != expected.get(counter, 0):
            value, should_be = ticket_type[counter], expected.get(counter, 0)
            yield f"{name}: {counter} is {value}, should be {should_be}"
    for counter in COUNTERS:
        if ticket_type[counter] < 0:
            yield f"{name}: {counter} is negative: {ticket_type[counter]}"
    total = (
        ticket_type["availableTickets"] + ticket_type["soldTickets"] + ticket_type["heldTickets"]
    )
    if total != capacity:
        yield f"{name}: {total} tickets where {capacity} were put on sale"


def _find_cell_faults(cells: Cells, expected: ExpectedStock) -> Iterator[str]:
    keys = {(int(schedule), int(type_)) for schedule in cells for type_ in cells[schedule]}
    for schedule_id, type_id in sorted(keys | expected.cells.keys()):
        cell = cells.get(str(schedule_id), {}).get(str(type_id), {})
        for counter in CELL_COUNTERS.values():
            value = cast(Mapping[str, int], cell).get(counter, 0)
            should_be = expected.cells[schedule_id, type_id][counter]
            if value != should_be:
                name = f"cell of entry {schedule_id} and type {type_id}"
                yield f"{name}: {counter} is {value}, should be {should_be}"


def _find_quota_faults(
    event: AuditedState, cells: Cells, waiting: Mapping[int, int]
) -> Iterator[str]:
    for quota in get_quotas(event):
        name, should_be = quota["name"], quota["capacity"] - count_taken(quota, cells)
        if quota["availableTickets"] != should_be:
            value = quota["availableTickets"]
            yield f"quota {name}: availableTickets is {value}, should be {should_be}"
        if quota["availableTickets"] < 0:
            yield f"quota {name}: availableTickets is negative: {quota['availableTickets']}"
        if quota["waiting"] != (places := waiting.get(quota["quotaId"], 0)):
            yield f"quota {name}: waiting is {quota['waiting']}, should be {places}"


def _find_queue_faults(event: AuditedState, expected: ExpectedStock) -> Iterator[str]:
    placed = {(q.schedule_id, q.type_id): q.waiting for q in expected.place_queues()}
    stored = list_queues(event.get("queues", {}))
    counted = {(queue.schedule_id, queue.type_id): queue.waiting for queue in stored}
    for schedule_id, type_id in sorted(placed.keys() | counted.keys()):
        value, should_be = (each.get((schedule_id, type_id), 0) for each in (counted, placed))
        if value != should_be:
            name = f"queue of entry {schedule_id} and type {type_id}"
            yield f"{name}: waiting is {value}, should be {should_be}"


# Repairing.


def repair(context: BookingContext, event_id: int, now: datetime) -> bool:
    """Set the event's counters to what its bookings and waitlist entries require.

    The event may be on sale. If more tickets were taken than were put on sale, or than a quota has
    places, `capacity` is raised: no booking is cancelled.

    Returns:
        False, with nothing repaired, if the event changed before each of CLOSED_ATTEMPTS writes.
    """
    recover(context, now)

    def try_to_repair(closed: ClosedEvent) -> Literal[True] | None:
        expected = read_expected_stock(context.db, [closed.event])[event_id]
        repaired = [
            _repair_type(each, expected.counters[each["ticketTypeId"]])
            for each in closed.event["ticketTypes"]
        ]
        cells = expected.build_cells()
        quotas = [recount_quota(each, cells) for each in get_quotas(closed.event)]
        waiting = recount_queues(build_queues(expected.place_queues()), repaired, quotas)
        uses = {key: expected.promo_uses[key] for key in closed.event.get("promoCodes", {})}
        is_written = context.inventory.repairs.replace(closed, waiting, cells, uses)
        return True if is_written else None

    is_repaired = _run_while_closed(context, event_id, now, try_to_repair)
    return is_repaired or context.inventory.in_flight_entries.find_event(event_id) is None


def _repair_type(ticket_type: TicketType, expected: Mapping[str, int]) -> TicketType:
    sold, held = expected.get("soldTickets", 0), expected.get("heldTickets", 0)
    capacity = max(ticket_type["capacity"], sold + held)
    return {
        **ticket_type,
        "soldTickets": sold,
        "heldTickets": held,
        "capacity": capacity,
        "availableTickets": capacity - sold - held,
    }
