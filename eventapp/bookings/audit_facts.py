"""What the bookings and places say that events should show, with what is under way counted in."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson import ObjectId

from eventapp.bookings import store, store_audit
from eventapp.bookings.context import BookingContext
from eventapp.core.database import Document
from eventapp.events.types import InFlightEntry, InFlightState
from eventapp.waitlist import service as waitlist
from eventapp.waitlist.types import WaitlistEntry

TAKEN = {"confirmed": "soldTickets", "held": "heldTickets"}

# Pairs of a ticketTypeId and {amount: change}.
Changes = list[Any]
# {ticketTypeId: {amount: what it should be}}
Expected = defaultdict[int, defaultdict[str, int]]


@dataclass(frozen=True)
class Facts:
    """All that was read of some events' bookings and places.

    Attributes:
        taken: rows of `{type, status, quantity}` of active bookings, by event.
        waiting: how many wait, by event and type.
        due, left: bookings and ended entries that an event has still to count.
        recorded: ids, as hex, of marked takes and entries that are stored.
        offering: ids of bookings as which an entry is just being made an offer.
    """

    taken: dict[int, list[Document]]
    waiting: dict[int, dict[int, int]]
    due: list[Document]
    left: list[WaitlistEntry]
    recorded: frozenset[str]
    offering: frozenset[str]

    def expected(self, event: InFlightState) -> Expected:
        """What the event's amounts should be."""
        expected: Expected = defaultdict(lambda: defaultdict(int))
        for row in self.taken.get(event["eventId"], []):
            expected[row["type"]][TAKEN[row["status"]]] += row["quantity"]
        for type_id, count in self.waiting.get(event["eventId"], {}).items():
            expected[type_id]["waiting"] += count
        for _key, changes in self._moves_to_come(event):
            for moved, steps in changes:
                for amount, step in steps.items():
                    expected[moved][amount] -= step
        for key, mark in event["inFlight"].items():
            self._count_mark(key, mark, expected)
        return expected

    def unsettled(self, event: InFlightState, *, before: datetime) -> Iterator[str]:
        """Marks older than that of what is neither recorded nor undone, or not fully made."""
        due = {key for key, _changes in self._due(event)}
        for key, mark in event["inFlight"].items():
            begun = mark["kind"] in ("take", "enter") and key[-24:] not in self.recorded
            if mark["at"] < before and (begun or key in due):
                yield key

    def _moves_to_come(self, event: InFlightState) -> Iterator[tuple[str, Changes]]:
        """Changes that are noted as due and that the event has not made."""
        return ((k, changes) for k, changes in self._due(event) if k not in event["inFlight"])

    def _due(self, event: InFlightState) -> Iterator[tuple[str, Changes]]:
        for booking in self.due:
            if booking["eventId"] == event["eventId"]:
                yield booking["due"]["key"], booking["due"]["changes"]
        for entry in self.left:
            if entry["eventId"] == event["eventId"]:
                yield f"leave-{entry['_id']}", [[entry["ticketTypeId"], {"waiting": -1}]]

    def _count_mark(self, key: str, mark: InFlightEntry, expected: Expected) -> None:
        """Count in a take or an entry that no booking and no place tells of yet."""
        if mark["kind"] == "enter" and key[-24:] not in self.recorded:
            expected[mark["type"]]["waiting"] += 1
        if mark["kind"] != "take":
            return
        if key not in self.recorded:
            amount = "heldTickets" if mark["held"] else "soldTickets"
            for type_id, quantity in mark["items"]:
                expected[type_id][amount] += quantity
        for type_id, left in mark.get("leftQueue", []):
            expected[type_id]["waiting"] -= left if key in self.offering else 0


def gather(context: BookingContext, events: list[InFlightState]) -> Facts:
    """Read the facts of these events, in one query of a kind for all of them."""
    ids = [event["eventId"] for event in events]
    marks = [item for event in events for item in event["inFlight"].items()]
    takes = [ObjectId(key) for key, mark in marks if mark["kind"] == "take"]
    enters = [ObjectId(key[-24:]) for key, mark in marks if mark["kind"] == "enter"]
    offers = [ObjectId(key) for key, mark in marks if "leftQueue" in mark]
    return Facts(
        taken=store_audit.active_sums(context.db, ids),
        waiting=waitlist.count_active(context.db, ids),
        due=store_audit.due_of_events(context.db, ids),
        left=waitlist.find_pending_leaves(context.db, ids),
        recorded=frozenset(
            map(
                str,
                [
                    *store.existing(context.db, takes),
                    *waitlist.find_existing_ids(context.db, enters),
                ],
            )
        ),
        offering=frozenset(map(str, waitlist.find_claimed_booking_ids(context.db, offers))),
    )
