"""How an entry of the waitlist is made and shown."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

WAITING, LEFT, CLOSED = "waiting", "left", "closed"


def new_entry(
    entry_id: Any,
    *,
    user_id: Any,
    event: Mapping[str, Any],
    type_id: int,
    quantity: int,
    sequence: int,
    now: datetime,
) -> dict[str, Any]:
    """The stored entry; `sequence` is its place in the order of its event and type."""
    kind = next(k for k in event["ticketTypes"] if k["ticketTypeId"] == type_id)
    return {
        "_id": entry_id,
        "userId": user_id,
        "eventId": event["eventId"],
        "eventTitle": event["title"],
        "ticketTypeId": type_id,
        "type": kind["type"],
        "quantity": quantity,
        "sequence": sequence,
        "status": WAITING,
        "active": True,
        "offers": [],
        "joinedAt": now,
        "updatedAt": now,
    }


def view(entry: Mapping[str, Any], position: int | None) -> dict[str, Any]:
    """The entry as the API shows it; position 1 is next, None is in no line."""
    names = ("_id", "eventId", "eventTitle", "ticketTypeId", "type", "quantity", "status")
    shown = {name: entry[name] for name in names}
    return {**shown, "position": position, "joinedAt": entry["joinedAt"]}
