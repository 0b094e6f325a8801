"""What changes hands exactly once: tickets going back, holds turning into sales, places left."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eventapp.inventory.rules import Quantities, index_of_types


@dataclass(frozen=True)
class Move:
    """A change of one booking's or entry's tickets that must happen exactly once.

    Attributes:
        key: the mark that tells that it has happened.
        changes: `{ticketTypeId: {amount: change}}`.
    """

    key: str
    changes: Mapping[int, Mapping[str, int]]


def give_back(booking_id: str, items: Quantities, *, held: bool) -> Move:
    """The move of a booking's tickets back on sale."""
    taken = "heldTickets" if held else "soldTickets"
    changes = {id_: {"availableTickets": q, taken: -q} for id_, q in items.items()}
    return Move(f"give-{booking_id}", changes)


def confirm(booking_id: str, sold: Quantities, returned: Quantities) -> Move:
    """The move of held tickets to sold; those not wanted after all go back on sale."""
    changes: dict[int, dict[str, int]] = {}
    for type_id in {**sold, **returned}:
        sells, returns = sold.get(type_id, 0), returned.get(type_id, 0)
        changes[type_id] = {
            "heldTickets": -sells - returns,
            "soldTickets": sells,
            "availableTickets": returns,
        }
    return Move(f"confirm-{booking_id}", changes)


def leave(entry_id: str, type_id: int) -> Move:
    """The move of an entry off the waitlist."""
    return Move(f"leave-{entry_id}", {type_id: {"waiting": -1}})


def reversed_mark(mark: Mapping[str, Any]) -> dict[int, dict[str, int]]:
    """The changes that undo what a mark notes."""
    if mark["kind"] == "enter":
        return {mark["type"]: {"waiting": -1}}
    taken = "heldTickets" if mark["held"] else "soldTickets"
    changes = {id_: {"availableTickets": q, taken: -q} for id_, q in mark["items"]}
    for type_id, left_queue in mark.get("leftQueue", []):
        changes[type_id]["waiting"] = left_queue
    return changes


def by_index(
    event: Mapping[str, Any], *several: Mapping[int, Mapping[str, int]]
) -> dict[int, dict[str, int]]:
    """Changes by ticketTypeId as changes by place, added up."""
    index_of = index_of_types(event)
    changes: dict[int, dict[str, int]] = {}
    for each in several:
        for type_id, steps in each.items():
            place = changes.setdefault(index_of[type_id], {})
            for amount, step in steps.items():
                place[amount] = place.get(amount, 0) + step
    return changes
