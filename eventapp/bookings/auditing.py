"""Check that the stock of events agrees with the bookings and waitlist entries, and repair it.

The counters of a ticket type must equal the records: `soldTickets` the tickets of its confirmed
bookings, `heldTickets` those of its held bookings, and `waiting` its active waitlist entries.
Available, sold and held tickets must add up to `capacity`. While changes are in flight, counters
and records differ. The audit computes the difference from the in-flight entries and the pending
stock moves, so that it can run while tickets are sold.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from bson import ObjectId

from eventapp.bookings import rules, store, store_moves
from eventapp.bookings.context import BookingContext
from eventapp.bookings.recovery import ABANDONED_AFTER, recover
from eventapp.bookings.types import ActiveTickets, StoredBooking
from eventapp.events.types import InFlightEntry, InFlightState, TicketType
from eventapp.inventory.service import make_leave_key, parse_document_id
from eventapp.waitlist import service as waitlist
from eventapp.waitlist.types import WaitlistEntry

EVENTS_PER_BATCH = 500
REPAIR_ATTEMPTS = 20
# A worker resolves entries that are older than ABANDONED_AFTER. An entry as old as this shows that
# no worker runs.
STUCK_AFTER = 4 * ABANDONED_AFTER

Counter = Literal["availableTickets", "soldTickets", "heldTickets", "waiting"]
# The counters that follow from bookings and waitlist entries, and all that are never negative.
DERIVED_COUNTERS: tuple[Counter, ...] = ("soldTickets", "heldTickets", "waiting")
COUNTERS: tuple[Counter, ...] = ("availableTickets", *DERIVED_COUNTERS)
COUNTER_OF_STATUS: dict[str, Counter] = {"confirmed": "soldTickets", "held": "heldTickets"}

# The key of a stock move, and what it adds to the counters of each ticket type.
MoveChanges = tuple[str, Sequence[tuple[int, dict[str, int]]]]
# The value that each counter of each ticket type should have: {ticketTypeId: {counter: value}}.
ExpectedCounters = defaultdict[int, defaultdict[str, int]]


@dataclass(frozen=True)
class Fault:
    """A fault in the stock of one event, described in `message`."""

    event_id: int
    message: str


def check(context: BookingContext, now: datetime) -> Iterator[Fault]:
    """Yield all faults of all events."""
    last_id = 0
    while events := context.inventory.in_flight_entries.find_events_after(
        last_id, EVENTS_PER_BATCH
    ):
        records = _read_records(context, events)
        for event in events:
            for message in _find_faults(event, records, now):
                # A sale may have changed the event between the two reads, so both are repeated.
                if message in _find_current_faults(context, event["eventId"], now):
                    yield Fault(event["eventId"], message)
        last_id = events[-1]["eventId"]


def repair(context: BookingContext, event_id: int, now: datetime) -> bool:
    """Set the event's counters to what its bookings and waitlist entries require.

    If more tickets were taken than were put on sale, `capacity` is raised: no booking is cancelled.

    Returns:
        False, with nothing repaired, if the event changed before each of REPAIR_ATTEMPTS writes.
    """
    recover(context, now)
    for _attempt in range(REPAIR_ATTEMPTS):
        event = context.inventory.in_flight_entries.find_event(event_id)
        if event is None:
            return True
        expected = _read_records(context, [event]).compute_expected(event)
        repaired = [_repair_type(each, expected) for each in event["ticketTypes"]]
        if context.inventory.replace_ticket_types(event, repaired):
            return True
    return False


def _repair_type(ticket_type: TicketType, expected: ExpectedCounters) -> TicketType:
    counters = expected[ticket_type["ticketTypeId"]]
    sold, held = counters["soldTickets"], counters["heldTickets"]
    capacity = max(ticket_type["capacity"], sold + held)
    return {
        **ticket_type,
        "soldTickets": sold,
        "heldTickets": held,
        "waiting": counters["waiting"],
        "capacity": capacity,
        "availableTickets": capacity - sold - held,
    }


def _find_current_faults(context: BookingContext, event_id: int, now: datetime) -> list[str]:
    event = context.inventory.in_flight_entries.find_event(event_id)
    return list(_find_faults(event, _read_records(context, [event]), now)) if event else []


def _find_faults(event: InFlightState, records: "Records", now: datetime) -> Iterator[str]:
    expected = records.compute_expected(event)
    for ticket_type in event["ticketTypes"]:
        yield from _find_type_faults(ticket_type, expected[ticket_type["ticketTypeId"]])
    if event["available"] != sum(each["availableTickets"] for each in event["ticketTypes"]):
        yield f"available is {event['available']}, not the sum of its types"
    for key in records.find_stuck_keys(event, before=now - STUCK_AFTER):
        yield f"{key} is stuck: neither recorded nor given back"


def _find_type_faults(ticket_type: TicketType, expected: dict[str, int]) -> Iterator[str]:
    name, capacity = ticket_type["type"], ticket_type["capacity"]
    for counter in DERIVED_COUNTERS:
        if ticket_type[counter] != expected[counter]:
            yield f"{name}: {counter} is {ticket_type[counter]}, should be {expected[counter]}"
    for counter in COUNTERS:
        if ticket_type[counter] < 0:
            yield f"{name}: {counter} is negative: {ticket_type[counter]}"
    total = (
        ticket_type["availableTickets"] + ticket_type["soldTickets"] + ticket_type["heldTickets"]
    )
    if total != capacity:
        yield f"{name}: {total} tickets where {capacity} were put on sale"


@dataclass(frozen=True)
class Records:
    """What the bookings and waitlist entries of some events require of the stock.

    Attributes:
        active_tickets: tickets of active bookings by eventId.
        waiting: active waitlist entries by eventId and ticketTypeId.
        pending_bookings: bookings with a pending stock move.
        pending_leaves: ended waitlist entries that `waiting` may still count.
        recorded_ids: hex ids of the bookings and waitlist entries of in-flight takes and joins that
            are stored.
        claimed_ids: hex ids of the bookings of in-flight offers whose waitlist entry is claimed.
    """

    active_tickets: dict[int, list[ActiveTickets]]
    waiting: dict[int, dict[int, int]]
    pending_bookings: list[StoredBooking]
    pending_leaves: list[WaitlistEntry]
    recorded_ids: frozenset[str]
    claimed_ids: frozenset[str]

    def compute_expected(self, event: InFlightState) -> ExpectedCounters:
        """Return what the counters of the event's ticket types should be."""
        expected: ExpectedCounters = defaultdict(lambda: defaultdict(int))
        for row in self.active_tickets.get(event["eventId"], []):
            expected[row["type"]][COUNTER_OF_STATUS[row["status"]]] += row["quantity"]
        for type_id, count in self.waiting.get(event["eventId"], {}).items():
            expected[type_id]["waiting"] += count
        for key, changes in self._iterate_pending_moves(event):
            if key not in event["inFlight"]:  # The move is not applied yet.
                for type_id, counters in changes:
                    for counter, change in counters.items():
                        expected[type_id][counter] -= change
        for key, entry in event["inFlight"].items():
            self._add_unrecorded(key, entry, expected)
        return expected

    def find_stuck_keys(self, event: InFlightState, *, before: datetime) -> Iterator[str]:
        """Yield the keys of in-flight entries from before this time that are still unresolved."""
        pending = {key for key, _changes in self._iterate_pending_moves(event)}
        for key, entry in event["inFlight"].items():
            is_unrecorded = (
                entry["kind"] in ("take", "enter")
                and parse_document_id(key) not in self.recorded_ids
            )
            if entry["at"] < before and (is_unrecorded or key in pending):
                yield key

    def _iterate_pending_moves(self, event: InFlightState) -> Iterator[MoveChanges]:
        for booking in self.pending_bookings:
            if booking["eventId"] == event["eventId"] and (move := rules.get_pending_move(booking)):
                yield move["key"], move["changes"]
        for entry in self.pending_leaves:
            if entry["eventId"] == event["eventId"]:
                yield make_leave_key(str(entry["_id"])), [(entry["ticketTypeId"], {"waiting": -1})]

    def _add_unrecorded(self, key: str, entry: InFlightEntry, expected: ExpectedCounters) -> None:
        """Add what an in-flight entry has changed in the event and no document records yet."""
        if entry["kind"] == "enter" and parse_document_id(key) not in self.recorded_ids:
            expected[entry["type"]]["waiting"] += 1
        if entry["kind"] != "take":
            return
        if key not in self.recorded_ids:
            counter = "heldTickets" if entry["held"] else "soldTickets"
            for type_id, quantity in entry["items"]:
                expected[type_id][counter] += quantity
        if key in self.claimed_ids:
            for type_id, ended_entries in entry.get("leftQueue", []):
                expected[type_id]["waiting"] -= ended_entries


def _read_records(context: BookingContext, events: Sequence[InFlightState]) -> Records:
    """Read the records of these events, each kind with one query for all events."""
    event_ids = [event["eventId"] for event in events]
    entries = [item for event in events for item in event["inFlight"].items()]
    take_ids = [ObjectId(key) for key, entry in entries if entry["kind"] == "take"]
    join_ids = [
        ObjectId(parse_document_id(key)) for key, entry in entries if entry["kind"] == "enter"
    ]
    offer_ids = [ObjectId(key) for key, entry in entries if "leftQueue" in entry]
    return Records(
        active_tickets=store.sum_active_tickets(context.db, event_ids),
        waiting=waitlist.count_active(context.db, event_ids),
        pending_bookings=store_moves.find_bookings_of_events_with_moves(context.db, event_ids),
        pending_leaves=waitlist.find_pending_leaves(context.db, event_ids),
        recorded_ids=frozenset(
            str(id_)
            for id_ in (
                *store.find_existing_ids(context.db, take_ids),
                *waitlist.find_existing_ids(context.db, join_ids),
            )
        ),
        claimed_ids=frozenset(map(str, waitlist.find_claimed_booking_ids(context.db, offer_ids))),
    )
