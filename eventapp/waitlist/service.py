"""Places on a waitlist: had, left, ended. Offers are bookings: the bookings make them."""

import math
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from bson import ObjectId

from eventapp.core.database import Db, Document
from eventapp.core.errors import ValidationFailed
from eventapp.core.failpoints import failpoint
from eventapp.events.types import SaleState
from eventapp.inventory.service import (
    INVENTORY,
    Allocation,
    Inventory,
    StockMove,
    TicketRequest,
    join_key,
    leave_key,
)
from eventapp.waitlist import rules, store
from eventapp.waitlist.errors import AlreadyWaitlisted, NotOnWaitlist

MAX_SHOWN, ENDED_AT_ONCE = 500, 200


def only_type(event: SaleState) -> int:
    """The id of the event's one ticket type. ValidationFailed where it has several."""
    if len(event["ticketTypes"]) == 1:
        return event["ticketTypes"][0]["ticketTypeId"]
    said = {"ticketTypeId": ["This event has several ticket types: name one."]}
    raise ValidationFailed("Missing ticketTypeId", code="ticket_type_required", errors=said)


def places(
    request: TicketRequest,
    allocation: Allocation,
    event: SaleState,
    *,
    user_id: ObjectId,
    now: datetime,
) -> list[tuple[Document, dict[str, Any]]]:
    """The entries that a verdict gave, each as it is to be stored and as the API shows it."""
    made = []
    for type_id, (quantity, sequence, position) in allocation.waitlisted.items():
        entry = rules.new_entry(
            ObjectId(request.waitlist_entry_ids[type_id]),
            user_id=user_id,
            event=event,
            type_id=type_id,
            quantity=quantity,
            sequence=sequence,
            now=now,
        )
        made.append((entry, rules.view(entry, position)))
    return made


def record(db: Db, inventory: Inventory, entry: Document) -> bool:
    """Store an entry; False, its place given up, where the user waits for this type already."""
    key = join_key(str(entry["_id"]))
    if store.insert(db, entry):
        failpoint("entry")
        inventory.mark_recorded(entry["eventId"], [key])
        return True
    inventory.undo(entry["eventId"], key)
    return False


def by_key(db: Db, user_id: ObjectId, key: str) -> Document | None:
    """The user's entry that was made under this idempotency key."""
    return store.by_key(db, user_id, key)


def show(db: Db, entry: Document) -> dict[str, Any]:
    return rules.view(entry, store.before(db, entry) + 1)


def mine(db: Db, user_id: ObjectId) -> list[dict[str, Any]]:
    """The user's entries, newest first, each with its position."""
    return [show(db, entry) for entry in store.of_user(db, user_id, MAX_SHOWN)]


def leave(db: Db, inventory: Inventory, *, user_id: ObjectId, event_id: int, now: datetime) -> int:
    """End the user's entries of this event; how many there were."""
    entries = store.of_user_and_event(db, user_id, event_id)
    return sum(end(db, inventory, entry, rules.LEFT, now) for entry in entries)


def waited_types(db: Db, user_id: ObjectId, event_id: int) -> set[int]:
    """The ticket types of this event that the user waits for."""
    return {entry["ticketTypeId"] for entry in store.of_user_and_event(db, user_id, event_id)}


def is_waiting(db: Db, user_id: ObjectId, event_id: int) -> bool:
    """True while the user has a place in a line of this event."""
    return bool(store.of_user_and_event(db, user_id, event_id))


def is_being_offered(db: Db, user_id: ObjectId, event_id: int, but: ObjectId | None = None) -> bool:
    """True while an offer is in the making of an entry of the user's, another one than `but`."""
    entries = store.of_user_and_event(db, user_id, event_id)
    return any("offering" in entry for entry in entries if entry["_id"] != but)


def end(db: Db, inventory: Inventory, entry: Document, status: str, now: datetime) -> bool:
    """End an entry, once; False where it has ended, or is just being made an offer of."""
    ended = store.end(db, entry["_id"], status, now)
    if ended is None:
        return False
    failpoint("entry-end")
    settle_ends(db, inventory, [ended], now)
    return True


def settle_ends(db: Db, inventory: Inventory, entries: Sequence[Document], now: datetime) -> None:
    """Let an event count ended entries of it out; safe to do again."""
    if not entries:
        return
    event_id, ids = entries[0]["eventId"], [entry["_id"] for entry in entries]
    moves = [StockMove.for_leaving(str(entry["_id"]), entry["ticketTypeId"]) for entry in entries]

    def find_pending() -> set[str]:
        return {leave_key(str(id_)) for id_ in store.due_among(db, ids)}

    inventory.apply_moves(event_id, moves, now, find_pending=find_pending)
    store.restocked(db, ids)
    failpoint("entry-restocked")
    inventory.mark_recorded(event_id, [move.key for move in moves])


def close_event(
    db: Db, inventory: Inventory, event_id: int, now: datetime, patience: float = math.inf
) -> None:
    """End all entries of an event that is cancelled or past, many in each write of the event.

    Args:
        patience: seconds after which it stops, whatever is left.
    """
    over = time.monotonic() + patience
    while entries := store.active_of_event(db, event_id, ENDED_AT_ONCE):
        tried = (store.end(db, entry["_id"], rules.CLOSED, now) for entry in entries)
        ended = [entry for entry in tried if entry]
        if not ended:
            return
        failpoint("entry-end")
        settle_ends(db, inventory, ended, now)
        if time.monotonic() > over:
            return


def next_in_line(db: Db, event_id: int, type_id: int) -> Document | None:
    """The entry that is to be made an offer next."""
    return store.head(db, event_id, type_id)


def claim(db: Db, entry: Document, booking_id: ObjectId, now: datetime) -> Document | None:
    """Reserve making it an offer, as this booking; None where it is gone or another is at it."""
    return store.claim(db, entry["_id"], booking_id, now)


def release(db: Db, entry_id: ObjectId, booking_id: ObjectId) -> None:
    """Give that up again; no offer was made."""
    store.release(db, entry_id, booking_id)


def offered(db: Db, entry_id: ObjectId, booking_id: ObjectId, quantity: int, now: datetime) -> None:
    """Count an offer against its entry, once; what it leaves of the entry keeps its place."""
    entry = store.get(db, entry_id)
    if entry and entry.get("offering", {}).get("bookingId") == booking_id:
        last = entry["quantity"] <= quantity
        store.offered(db, entry_id, booking_id, quantity, last=last, now=now)


def settle(db: Db, inventory: Inventory, *, before: datetime, now: datetime, limit: int) -> None:
    """Finish what ended entries left undone where a process died."""
    for entry in store.with_restock_due(db, before, limit):
        settle_ends(db, inventory, [entry], now)


def old_claims(db: Db, before: datetime, limit: int) -> list[Document]:
    """Entries whose offer has been in the making for too long."""
    return store.with_old_claims(db, before, limit)


def exists(db: Db, entry_id: ObjectId) -> bool:
    return store.get(db, entry_id) is not None


def void(db: Db, entry_id: ObjectId) -> bool:
    """Keep this entry from ever being stored; False where it is already."""
    return store.void(db, entry_id)


def has_left(db: Db, entry_id: ObjectId) -> bool:
    """True unless the event has still to count this ended entry out."""
    entry = store.get(db, entry_id)
    return entry is None or entry.get("restock") != "due"


def active_counts(db: Db, event_ids: list[int]) -> dict[int, dict[int, int]]:
    """How many wait, by event and ticket type."""
    return store.active_counts(db, event_ids)


def due_of_events(db: Db, event_ids: list[int]) -> list[Document]:
    """Ended entries that these events have still to count out."""
    return store.due_of_events(db, event_ids)


def being_offered(db: Db, booking_ids: list[ObjectId]) -> list[ObjectId]:
    """Those of the bookings as which an entry is just being made an offer."""
    return store.being_offered(db, booking_ids)


def existing(db: Db, entry_ids: list[ObjectId]) -> list[ObjectId]:
    """Those of the ids that are entries."""
    return store.existing(db, entry_ids)


def forget_user(db: Db, user_id: ObjectId) -> None:
    """After a user is deleted: the places end, and nothing says whose they were."""
    store.forget_user(db, user_id)


def export_user(db: Db, user_id: ObjectId) -> dict[str, Any]:
    """What is stored here about the person; an entry that has ended has no position."""
    entries = store.all_of(db, user_id)
    shown = [show(db, entry) if entry["active"] else rules.view(entry, None) for entry in entries]
    return {"waitlist": shown}


# What the bookings, which make the offers, also say.
__all__ = ["INVENTORY", "AlreadyWaitlisted", "NotOnWaitlist"]
