"""A take's one write, put together from what was granted."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from eventapp.core.database import Document
from eventapp.inventory import rules
from eventapp.inventory.rules import Verdict, Wanted

Grants = Sequence[tuple[Wanted, Verdict]]


def on_sale(today: datetime) -> Document:
    """What an event must still be to sell or hold a ticket of it, as `rules.on_sale` says.

    By the entries, not by `lastDate`, which says the same: that has an index of its own, and one
    planner reads all of it, each event to come, beside the one event that is asked for.
    """
    return {"status": "published", "schedule.date": {"$gte": today}}


def sale(event: Document, granted: Grants) -> tuple[dict[int, dict[str, int]], Document]:
    """The changes of amounts that these grants are, and what must still be true for them."""
    sold = rules.total(v.taken for w, v in granted if not w.held)
    held = rules.total(v.taken for w, v in granted if w.held)
    waits = rules.total(dict.fromkeys(v.waits, 1) for _, v in granted)
    changes: dict[int, dict[str, int]] = {}
    guards: Document = {}
    for type_id, index in rules.index_of_types(event).items():
        sells, holds, enters = (amounts.get(type_id, 0) for amounts in (sold, held, waits))
        if not (sells or holds or enters):
            continue
        changes[index] = {
            "availableTickets": -sells - holds,
            "soldTickets": sells,
            "heldTickets": holds,
            "waiting": enters,
            "waitSequence": enters,
        }
        guards |= _guards(f"ticketTypes.{index}", event["ticketTypes"][index], changes[index])
    return changes, guards


def _guards(path: str, kind: Mapping[str, Any], change: Mapping[str, int]) -> Document:
    """What a type must still be: enough tickets and nobody waiting, or, to wait, none left."""
    takes, enters = -change["availableTickets"], change["waiting"]
    if enters:
        nobody = {f"{path}.waiting": 0, f"{path}.availableTickets": takes}
        queue = {f"{path}.waiting": {"$gte": 1}} if kind["waiting"] else nobody
        return {**queue, f"{path}.waitSequence": kind["waitSequence"]}
    return {f"{path}.waiting": 0, f"{path}.availableTickets": {"$gte": takes}}


def marks(granted: Grants, now: datetime) -> dict[str, Document]:
    noted: dict[str, Document] = {}
    for want, verdict in granted:
        if verdict.taken:
            items = [list(item) for item in verdict.taken.items()]
            noted[want.mark] = {
                "kind": "take",
                "items": items,
                "held": want.held,
                "by": want.by,
                "at": now,
            }
        for type_id in verdict.waits:
            key = f"wait-{want.entry_marks[type_id]}"
            noted[key] = {"kind": "enter", "type": type_id, "by": want.by, "at": now}
    return noted
