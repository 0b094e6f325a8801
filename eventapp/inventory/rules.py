"""Who gets which tickets: the judgement, on figures as read, in order of arrival."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

REJECT, PARTIAL, WAITLIST = "reject", "partial", "waitlist"
# Only a place on the waitlist, and only where no ticket is to be had.
QUEUE = "queue"

Event = Mapping[str, Any]
Quantities = dict[int, int]  # ticketTypeId -> whole tickets


@dataclass(frozen=True)
class Wanted:
    """What one caller asks of one event.

    Attributes:
        mark: the booking's id, as hex.
        items: 1 or more tickets of each type.
        held: kept for a payment, not sold.
        by: what `BoxOffice.under_way` finds it by, the same for all requests of one key; it
            begins with what `BoxOffice.taken_by` finds all of one user by.
        entry_marks: for WAITLIST, the id of the entry that each type's rest would go to.
    """

    mark: str
    items: Quantities
    held: bool = False
    on_shortfall: str = REJECT
    by: str = ""
    entry_marks: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """What the caller gets: tickets, places on the waitlist, or neither, and what was left then.

    Attributes:
        waits: the rest by type, with its place: `{typeId: (quantity, sequence, position)}`, where
            position 1 is next and sequence orders the entries for good.
        unknown: a type asked for that the event does not have.
    """

    taken: Quantities = field(default_factory=dict)
    waits: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    left: Quantities = field(default_factory=dict)
    unknown: int | None = None

    @property
    def refused(self) -> bool:
        return not self.taken and not self.waits


def index_of_types(event: Event) -> dict[int, int]:
    """Where each ticket type stands in the event."""
    return {kind["ticketTypeId"]: i for i, kind in enumerate(event["ticketTypes"])}


def on_sale(event: Event, today: datetime) -> bool:
    return bool(event["status"] == "published" and event["lastDate"] >= today)


def judge(event: Event, wanted: Sequence[Wanted]) -> list[Verdict]:
    """Give tickets in order of arrival as long as they last; all items of a caller or none.

    While anyone waits for a type the public gets nothing of it: what comes back is the waiting's.
    """
    kinds = {kind["ticketTypeId"]: kind for kind in event["ticketTypes"]}
    left = {id_: 0 if k["waiting"] else k["availableTickets"] for id_, k in kinds.items()}
    queues = {id_: [k["waitSequence"], k["waiting"]] for id_, k in kinds.items()}
    return [_judge_one(want, left, queues) for want in wanted]


def _judge_one(want: Wanted, left: Quantities, queues: dict[int, list[int]]) -> Verdict:
    unknown = next((type_id for type_id in want.items if type_id not in left), None)
    if unknown is not None:
        return Verdict(unknown=unknown)
    there = {type_id: left[type_id] for type_id in want.items}
    granted = {id_: min(quantity, left[id_]) for id_, quantity in want.items.items()}
    if want.on_shortfall == REJECT and granted != want.items:
        return Verdict(left=there)
    if want.on_shortfall == QUEUE and any(granted.values()):
        return Verdict(left=there)
    taken = {type_id: quantity for type_id, quantity in granted.items() if quantity}
    for type_id, quantity in taken.items():
        left[type_id] -= quantity
    if want.on_shortfall not in (WAITLIST, QUEUE):
        return Verdict(taken, left=there)
    return Verdict(taken, _places(want, granted, queues), there)


def _places(
    want: Wanted, granted: Quantities, queues: dict[int, list[int]]
) -> dict[int, tuple[int, int, int]]:
    places = {}
    for type_id, quantity in want.items.items():
        if quantity > granted[type_id]:
            queue = queues[type_id]
            queue[0] += 1
            queue[1] += 1
            places[type_id] = (quantity - granted[type_id], queue[0], queue[1])
    return places


def total(quantities: Iterable[Quantities]) -> Quantities:
    """The sums by type."""
    sums: Quantities = {}
    for each in quantities:
        for type_id, quantity in each.items():
            sums[type_id] = sums.get(type_id, 0) + quantity
    return sums
