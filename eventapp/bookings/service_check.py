"""Does the inventory add up? And, where it does not, mending it under a guard."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from bson import ObjectId

from eventapp.bookings import store
from eventapp.bookings.service import Shop
from eventapp.bookings.service_settle import STANDS_STILL, settle
from eventapp.core.mongo import Document
from eventapp.waitlist import service as waitlist

CHECKED_AT_ONCE = 500
REPAIR_ATTEMPTS = 20
TAKEN = {"confirmed": "soldTickets", "held": "heldTickets"}

# {ticketTypeId: {amount: what it should be}}
Expected = defaultdict[int, defaultdict[str, int]]


@dataclass(frozen=True)
class Fault:
    """An event that does not add up, and words that say in what."""

    event_id: int
    words: str


def check(shop: Shop, now: datetime) -> Iterator[Fault]:
    """Every fault of every event: amounts that differ from the bookings, or are negative."""
    last = 0
    while events := shop.office.after(last, CHECKED_AT_ONCE):
        ids = [event["eventId"] for event in events]
        taken = store.active_sums(shop.db, ids)
        for event in events:
            for words in _faults(shop, event, taken.get(event["eventId"], []), now):
                # Read once more: between two reads of a busy event a sale may lie.
                if words in _faults_now(shop, event["eventId"], now):
                    yield Fault(event["eventId"], words)
        last = ids[-1]


def repair(shop: Shop, event_id: int, now: datetime) -> bool:
    """Set the event's amounts to what its bookings say; False where it kept changing.

    What is available is what was put on sale less what is taken; if more was taken than was put
    on sale, that too is noted as put on sale: every booking stands.
    """
    settle(shop, now)
    for _attempt in range(REPAIR_ATTEMPTS):
        event = shop.office.with_marks(event_id)
        if event is None:
            return True
        taken = store.active_sums(shop.db, [event_id]).get(event_id, [])
        types = [_mended(kind, _expected(shop, event, taken)) for kind in event["ticketTypes"]]
        if shop.office.set_types(event, types):
            return True
    return False


def _mended(kind: Document, expected: Expected) -> Document:
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


def _faults_now(shop: Shop, event_id: int, now: datetime) -> list[str]:
    event = shop.office.with_marks(event_id)
    taken = store.active_sums(shop.db, [event_id]).get(event_id, [])
    return list(_faults(shop, event, taken, now)) if event else []


def _faults(shop: Shop, event: Document, taken: list[Document], now: datetime) -> Iterator[str]:
    expected = _expected(shop, event, taken)
    for kind in event["ticketTypes"]:
        amounts, name = expected[kind["ticketTypeId"]], kind["type"]
        for amount in ("soldTickets", "heldTickets", "waiting"):
            if kind[amount] != amounts[amount]:
                yield f"{name}: {amount} is {kind[amount]}, should be {amounts[amount]}"
        for amount in ("availableTickets", "soldTickets", "heldTickets", "waiting"):
            if kind[amount] < 0:
                yield f"{name}: {amount} is negative: {kind[amount]}"
        there = kind["availableTickets"] + kind["soldTickets"] + kind["heldTickets"]
        if there != kind["capacity"]:
            yield f"{name}: {there} tickets where {kind['capacity']} were put on sale"
    if event["available"] != sum(k["availableTickets"] for k in event["ticketTypes"]):
        yield f"available is {event['available']}, not the sum of its types"
    for key, mark in event["inFlight"].items():
        if now - mark["at"] > 4 * STANDS_STILL:
            yield f"{key} stands still since {mark['at']:%Y-%m-%d %H:%M:%S}"


def _expected(shop: Shop, event: Document, taken: list[Document]) -> Expected:
    """What the event's amounts should be, with what is under way at this moment counted in."""
    expected: Expected = defaultdict(lambda: defaultdict(int))
    for row in taken:
        expected[row["type"]][TAKEN[row["status"]]] += row["quantity"]
    for type_id, count in waitlist.active_counts(shop.db, event["eventId"]).items():
        expected[type_id]["waiting"] += count
    marks = event["inFlight"]
    for booking in store.due_of_event(shop.db, event["eventId"]):
        if booking["due"]["key"] not in marks:
            for type_id, steps in booking["due"]["changes"]:
                for amount, step in steps.items():
                    expected[type_id][amount] -= step
    for entry in waitlist.due_of_event(shop.db, event["eventId"]):
        if f"leave-{entry['_id']}" not in marks:
            expected[entry["ticketTypeId"]]["waiting"] += 1
    _count_takes(shop, marks, expected)
    return expected


def _count_takes(shop: Shop, marks: Document, expected: Expected) -> None:
    """Takes and entries that no booking and no place tells of yet."""
    takes = {key: mark for key, mark in marks.items() if mark["kind"] == "take"}
    recorded = store.existing(shop.db, [ObjectId(key) for key in takes])
    for key, mark in takes.items():
        if ObjectId(key) not in recorded:
            amount = "heldTickets" if mark["held"] else "soldTickets"
            for type_id, quantity in mark["items"]:
                expected[type_id][amount] += quantity
        for type_id, left in mark.get("leftQueue", []):
            entry = waitlist.being_offered(shop.db, ObjectId(key))
            expected[type_id]["waiting"] -= left if entry else 0
    for key, mark in marks.items():
        if mark["kind"] == "enter" and not waitlist.exists(shop.db, ObjectId(key[5:])):
            expected[mark["type"]]["waiting"] += 1
