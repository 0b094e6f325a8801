"""Does the inventory add up? And, where it does not, mending it under a guard."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from eventapp.bookings.audit_facts import Expected, Facts, gather
from eventapp.bookings.context import BookingContext
from eventapp.bookings.recovery import STANDS_STILL, settle
from eventapp.events.types import InFlightState, TicketType

CHECKED_AT_ONCE = 500
REPAIR_ATTEMPTS = 20
Counter = Literal["availableTickets", "soldTickets", "heldTickets", "waiting"]
# The counters that bookings and waitlist entries must account for, and all that are never negative.
COUNTED: tuple[Counter, ...] = ("soldTickets", "heldTickets", "waiting")
STOCK: tuple[Counter, ...] = ("availableTickets", *COUNTED)

# A worker settles what stands still after 30 s.
LONG = 4 * STANDS_STILL


@dataclass(frozen=True)
class Fault:
    """An event that does not add up, and words that say in what."""

    event_id: int
    words: str


def check(context: BookingContext, now: datetime) -> Iterator[Fault]:
    """Every fault of every event: amounts that differ from the bookings, or are negative."""
    last = 0
    while events := context.inventory.in_flight.find_events_after(last, CHECKED_AT_ONCE):
        facts = gather(context, events)
        for event in events:
            for words in _faults(event, facts, now):
                # Read once more: between two reads of a busy event a sale may lie.
                if words in _faults_now(context, event["eventId"], now):
                    yield Fault(event["eventId"], words)
        last = events[-1]["eventId"]


def repair(context: BookingContext, event_id: int, now: datetime) -> bool:
    """Set the event's amounts to what its bookings say; False where it kept changing.

    What is available is what was put on sale less what is taken; if more was taken than was put
    on sale, that too is noted as put on sale: every booking stands.
    """
    settle(context, now)
    for _attempt in range(REPAIR_ATTEMPTS):
        event = context.inventory.in_flight.find_event(event_id)
        if event is None:
            return True
        expected = gather(context, [event]).expected(event)
        types = [_mended(kind, expected) for kind in event["ticketTypes"]]
        if context.inventory.replace_ticket_types(event, types):
            return True
    return False


def _mended(kind: TicketType, expected: Expected) -> TicketType:
    amounts = expected[kind["ticketTypeId"]]
    sold, held = amounts["soldTickets"], amounts["heldTickets"]
    capacity = max(kind["capacity"], sold + held)
    return {
        **kind,
        "soldTickets": sold,
        "heldTickets": held,
        "waiting": amounts["waiting"],
        "capacity": capacity,
        "availableTickets": capacity - sold - held,
    }


def _faults_now(context: BookingContext, event_id: int, now: datetime) -> list[str]:
    event = context.inventory.in_flight.find_event(event_id)
    return list(_faults(event, gather(context, [event]), now)) if event else []


def _faults(event: InFlightState, facts: Facts, now: datetime) -> Iterator[str]:
    expected = facts.expected(event)
    for kind in event["ticketTypes"]:
        amounts, name = expected[kind["ticketTypeId"]], kind["type"]
        for amount in COUNTED:
            if kind[amount] != amounts[amount]:
                yield f"{name}: {amount} is {kind[amount]}, should be {amounts[amount]}"
        for counter in STOCK:
            if kind[counter] < 0:
                yield f"{name}: {counter} is negative: {kind[counter]}"
        there = kind["availableTickets"] + kind["soldTickets"] + kind["heldTickets"]
        if there != kind["capacity"]:
            yield f"{name}: {there} tickets where {kind['capacity']} were put on sale"
    if event["available"] != sum(k["availableTickets"] for k in event["ticketTypes"]):
        yield f"available is {event['available']}, not the sum of its types"
    for key in facts.unsettled(event, before=now - LONG):
        yield f"{key} stands still: neither recorded nor given back"
