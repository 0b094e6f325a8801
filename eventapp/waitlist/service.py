"""Keep the waitlists: which users wait for tickets of which type, in which order.

The update of the event that counts an entry in `waiting` also gives the entry its sequence number,
so that two entries never share a position. The entry is stored afterwards, as a booking is stored
after its take (see `eventapp.inventory.store`).

An entry *ends* when its user leaves, when all of its tickets are offered, or when the waitlist is
*closed*, which ends all entries of the event. Its *leave* is the stock move that follows, except
after an offer: it is first recorded as pending, then applied, which lowers the event's `waiting`,
and then recorded as applied.

An offer is a held booking; `eventapp.bookings.waitlist_offers` makes it. A process claims the entry
first, so that no other process makes an offer from it. At the end it subtracts the offered tickets
from the entry, or releases the claim.
"""

import math
import time
from collections.abc import Callable, Sequence
from datetime import datetime

from bson import ObjectId

from eventapp.core.access.actor import Actor
from eventapp.core.app_key import AppKey
from eventapp.core.database import Db
from eventapp.core.errors import AppError, DatabaseUnavailable, ValidationFailed
from eventapp.core.failpoints import failpoint
from eventapp.events.types import SaleState
from eventapp.inventory.quantity_limits import refuse_quantities
from eventapp.inventory.service import (
    INVENTORY,
    WAITLIST_ONLY,
    Allocation,
    Inventory,
    StockMove,
    TicketLimit,
    TicketRequest,
    get_terms,
    make_join_key,
    make_leave_key,
)
from eventapp.waitlist import store
from eventapp.waitlist.errors import AlreadyWaitlisted, NotOnWaitlist, TicketsAvailable
from eventapp.waitlist.listing import render_entry
from eventapp.waitlist.types import CloseReason, EntryStatus, EntryView, WaitlistEntry

# Re-exported for routes and bookings, which cannot import the modules that define them.
__all__ = ["INVENTORY", "AlreadyWaitlisted", "NotOnWaitlist"]

# Returns how many tickets of an event a user has, purchased and offered together.
TicketCounter = Callable[[Db, ObjectId, int], int]
TICKET_COUNTER: AppKey[TicketCounter] = AppKey("ticket_counter")
# Leaves that are applied in one update of the event.
ENTRIES_PER_UPDATE = 200


# Joining and listing.


def join_waitlist(
    db: Db,
    inventory: Inventory,
    *,
    actor: Actor,
    event_id: int,
    type_id: int | None,
    quantity: int,
    max_quantity: int,
    count_tickets: TicketCounter,
    now: datetime,
) -> EntryView:
    """Put the caller on the waitlist of a ticket type that has no tickets left.

    Args:
        type_id: None for the event's only ticket type.
        max_quantity: the most tickets of one event that a user may have.
        count_tickets: counts the tickets that the caller has already. If the caller books more
            after this, the entry is closed when its turn comes, and the caller is told.

    Raises:
        EventNotFound, TicketTypeNotFound, NotOnSale, TypeNotOnSale, ValidationFailed, TicketLimit,
            TicketsAvailable, AlreadyWaitlisted: nothing is written, or it is undone.
        EventBusy: nothing is written, or recovery undoes it.
    """
    user_id = actor.require_user_id()
    with inventory.hide_drafts_from(actor, event_id):
        _refuse_over_limit(quantity, 0, max_quantity)
        _refuse_over_limit(quantity, count_tickets(db, user_id, event_id), max_quantity)
        request, allocation, event = _join(inventory, event_id, type_id, quantity, now)
        type_id = next(iter(request.items))
        if allocation.is_empty:
            raise TicketsAvailable(available=allocation.available[type_id])
        entry, view = build_entries(request, allocation, event, user_id=user_id, now=now)[0]
        if not record_entry(db, inventory, entry):
            raise make_refusal(db, entry["_id"])
        return view


def _refuse_over_limit(quantity: int, owned: int, max_quantity: int) -> None:
    """Raise TicketLimit if a user with `owned` tickets of an event cannot get `quantity` more."""
    if owned + quantity > max_quantity:
        have = f"; you have {owned}" if owned else ""
        raise TicketLimit(f"At most {max_quantity} tickets of an event{have}")


def _join(
    inventory: Inventory, event_id: int, type_id: int | None, quantity: int, now: datetime
) -> tuple[TicketRequest, Allocation, SaleState]:
    """Count an entry in `waiting` if no ticket is available; `type_id` as for `join_waitlist`.

    Returns:
        The request, its allocation, which may be empty, and the event after it.
    """
    while True:
        state = inventory.get_sale_state(event_id, fresh=True)
        request = _build_join_request(state, type_id or require_only_type_id(state), quantity, now)
        refuse_quantities(state, request.items)
        allocation, event = inventory.take(event_id, request, now)
        if not allocation.has_other_terms:
            return request, allocation, event


def _build_join_request(
    event: SaleState, type_id: int, quantity: int, now: datetime
) -> TicketRequest:
    entry_id = str(ObjectId())
    return TicketRequest(
        booking_id=entry_id,  # not used: this mode takes no tickets
        items={type_id: quantity},
        on_shortfall=WAITLIST_ONLY,
        waitlist_entry_ids={type_id: entry_id},
        terms=get_terms(event),
        moment=now,
    )


def require_only_type_id(event: SaleState) -> int:
    """Return the id of the event's only ticket type.

    Raises:
        ValidationFailed: the event has several.
    """
    if len(event["ticketTypes"]) == 1:
        return event["ticketTypes"][0]["ticketTypeId"]
    errors = {"ticketTypeId": ["This event has several ticket types: name one."]}
    raise ValidationFailed("Missing ticketTypeId", code="ticket_type_required", errors=errors)


def build_entries(
    request: TicketRequest,
    allocation: Allocation,
    event: SaleState,
    *,
    user_id: ObjectId,
    now: datetime,
) -> list[tuple[WaitlistEntry, EntryView]]:
    """Return an entry for each ticket type that was put on the waitlist, with its view."""
    built = []
    for type_id, waitlisted in allocation.waitlisted.items():
        entry: WaitlistEntry = {
            "_id": ObjectId(request.waitlist_entry_ids[type_id]),
            "userId": user_id,
            "eventId": event["eventId"],
            "eventTitle": event["title"],
            "ticketTypeId": type_id,
            "type": _find_type_name(event, type_id),
            "quantity": waitlisted.quantity,
            "sequence": waitlisted.sequence,
            "status": "waiting",
            "active": True,
            "offers": [],
            "joinedAt": now,
            "updatedAt": now,
        }
        built.append((entry, render_entry(entry, waitlisted.position)))
    return built


def _find_type_name(event: SaleState, type_id: int) -> str:
    return next(t["type"] for t in event["ticketTypes"] if t["ticketTypeId"] == type_id)


def record_entry(db: Db, inventory: Inventory, entry: WaitlistEntry) -> bool:
    """Store an entry that the event counts already.

    Returns:
        False if the entry was refused (see `store.insert_entry`), usually because the user waits
        for this ticket type already. The join of the entry is then undone.
    """
    key = make_join_key(str(entry["_id"]))
    if store.insert_entry(db, entry):
        failpoint("entry")
        inventory.allow_clearing(entry["eventId"], [key])
        return True
    inventory.undo(entry["eventId"], key)
    return False


def make_refusal(db: Db, entry_id: ObjectId) -> AppError:
    """Return the error to raise if an entry was refused and nothing else was stored."""
    # A tombstone: this process was suspended, and recovery has undone the join. It may be repeated.
    is_undone = store.has_tombstone(db, entry_id)
    return DatabaseUnavailable() if is_undone else AlreadyWaitlisted()


def find_by_idempotency_key(db: Db, user_id: ObjectId, key: str) -> WaitlistEntry | None:
    """Return the entry that the user made with this idempotency key."""
    return store.find_by_idempotency_key(db, user_id, key)


def find_waited_type_ids(db: Db, user_id: ObjectId, event_id: int) -> set[int]:
    """Return the ticket types of this event that the user waits for."""
    entries = store.find_active_of_user_and_event(db, user_id, event_id)
    return {entry["ticketTypeId"] for entry in entries}


def is_waiting(db: Db, user_id: ObjectId, event_id: int) -> bool:
    """Return whether the user has an active entry for this event."""
    return bool(store.find_active_of_user_and_event(db, user_id, event_id))


# Ending entries.


def end_entries(
    db: Db, inventory: Inventory, *, user_id: ObjectId, event_id: int, now: datetime
) -> int:
    """End the user's active entries for this event, and return how many were ended.

    An entry that is claimed for an offer stays active.
    """
    entries = store.find_active_of_user_and_event(db, user_id, event_id)
    return sum(end_entry(db, inventory, entry, "left", now) for entry in entries)


def end_entry(
    db: Db,
    inventory: Inventory,
    entry: WaitlistEntry,
    status: EntryStatus,
    now: datetime,
    reason: CloseReason | None = None,
) -> bool:
    """End an entry exactly once; return False if it has ended or is claimed for an offer.

    Args:
        reason: why it is closed, if it is not because of its event. The user is told of it.
    """
    ended = store.end_entry(db, entry["_id"], status, now, reason)
    if ended is None:
        return False
    failpoint("entry-end")
    apply_leaves(db, inventory, [ended], now)
    return True


def close_waitlist(
    db: Db, inventory: Inventory, event_id: int, now: datetime, max_seconds: float = math.inf
) -> None:
    """End the entries of an event that is cancelled, past or deleted.

    Args:
        max_seconds: stop after this time. The worker ends the rest, unless the event is deleted.
    """
    deadline = time.monotonic() + max_seconds
    while entries := store.find_active_of_event(db, event_id, ENTRIES_PER_UPDATE):
        attempts = [store.end_entry(db, entry["_id"], "closed", now) for entry in entries]
        ended = [entry for entry in attempts if entry]
        if not ended:
            return
        failpoint("entry-end")
        apply_leaves(db, inventory, ended, now)
        if time.monotonic() > deadline:
            return


def apply_leaves(
    db: Db, inventory: Inventory, entries: Sequence[WaitlistEntry], now: datetime
) -> None:
    """Apply the leaves of ended entries: lower the event's `waiting`, exactly once for each.

    Args:
        entries: ended entries of one event.
    """
    if not entries:
        return
    event_id, ids = entries[0]["eventId"], [entry["_id"] for entry in entries]
    moves = [StockMove.for_leaving(str(entry["_id"]), entry["ticketTypeId"]) for entry in entries]

    def find_pending() -> set[str]:
        return {make_leave_key(str(id_)) for id_ in store.find_pending_leave_ids(db, ids)}

    inventory.apply_moves(event_id, moves, now, find_pending=find_pending)
    store.record_leaves_applied(db, ids)
    failpoint("leave-recorded")
    inventory.allow_clearing(event_id, [move.key for move in moves])


# Offers, which `eventapp.bookings.waitlist_offers` makes.


def find_first_entry(
    db: Db, event_id: int, type_id: int, max_quantity: int | None
) -> WaitlistEntry | None:
    """Return the first active entry in the queue of a ticket type; arguments as in the store."""
    return store.find_first_entry(db, event_id, type_id, max_quantity)


def claim_for_offer(
    db: Db, entry: WaitlistEntry, booking_id: ObjectId, now: datetime
) -> WaitlistEntry | None:
    """Claim the entry for an offer with this booking's id.

    Returns:
        The entry with the claim; None if it has ended or another process has claimed it.
    """
    return store.claim_for_offer(db, entry["_id"], booking_id, now)


def release_claim(db: Db, entry_id: ObjectId, booking_id: ObjectId) -> None:
    """Give up the claim for this booking; no offer was made."""
    store.release_claim(db, entry_id, booking_id)


def subtract_offer(
    db: Db, entry_id: ObjectId, booking_id: ObjectId, quantity: int, now: datetime
) -> None:
    """Subtract a recorded offer from its entry and drop the claim, exactly once.

    An entry that wants more tickets keeps its position; else it ends.
    """
    entry = store.find_entry(db, entry_id)
    if entry and "offering" in entry and entry["offering"]["bookingId"] == booking_id:
        ends_entry = entry["quantity"] <= quantity
        store.subtract_offer(db, entry_id, booking_id, quantity, ends_entry=ends_entry, now=now)


def is_claimed_for(db: Db, booking_id: ObjectId) -> bool:
    """Return whether an entry is claimed for the offer with this booking's id."""
    return store.is_claimed_for(db, booking_id)


def is_offer_in_progress(
    db: Db, user_id: ObjectId, event_id: int, *, except_entry: ObjectId | None = None
) -> bool:
    """Return whether an entry of the user for this event is claimed, ignoring `except_entry`."""
    entries = store.find_active_of_user_and_event(db, user_id, event_id)
    return any("offering" in entry for entry in entries if entry["_id"] != except_entry)


# What recovery needs.


def find_pending_leaves_before(
    db: Db, before: datetime, limit: int, without: Sequence[object]
) -> list[WaitlistEntry]:
    """Return entries that ended before this time and whose leave is pending, oldest first.

    Processes that died left these leaves pending, or `forget_user` did. `without` names entries to
    leave out.
    """
    return store.find_pending_leaves_before(db, before, limit, without)


def find_claims_before(
    db: Db, before: datetime, limit: int, without: Sequence[object]
) -> list[WaitlistEntry]:
    """Return entries that were claimed for an offer before this time and still are, oldest first.

    Args:
        without: ids of entries to leave out.
    """
    return store.find_claims_before(db, before, limit, without)


def entry_exists(db: Db, entry_id: ObjectId) -> bool:
    """Return whether an entry, not a tombstone, is stored under this id."""
    return store.find_entry(db, entry_id) is not None


def insert_tombstone(db: Db, entry_id: ObjectId) -> bool:
    """Keep this entry from ever being stored; return False if it is stored already."""
    return store.insert_tombstone(db, entry_id)


def is_leave_pending(db: Db, entry_id: ObjectId) -> bool:
    """Return whether this entry has ended and its leave is not yet recorded as applied."""
    return bool(store.find_pending_leave_ids(db, [entry_id]))


# Personal data.


def forget_user(db: Db, user_id: ObjectId) -> None:
    """End the user's unclaimed entries, and remove the user's id from all entries.

    The worker applies the leaves later. An entry that is claimed for an offer at this moment stays
    active. It is ended when the claim is dropped, and the offer is declined (`is_forgotten`).
    """
    store.forget_user(db, user_id)


def end_all_entries(db: Db, inventory: Inventory, user_id: ObjectId, now: datetime) -> set[int]:
    """End the user's unclaimed entries for all events; return the eventIds of all that were active.

    A user has at most one entry for each ticket type, and few of them.
    """
    event_ids = set()
    for entry in store.find_all_active_of_user(db, user_id):
        end_entry(db, inventory, entry, "left", now)
        event_ids.add(entry["eventId"])
    return event_ids


def is_forgotten(db: Db, entry_id: ObjectId) -> bool:
    """Return whether the user of an entry was deleted while it was claimed for an offer."""
    entry = store.find_entry(db, entry_id)
    return entry is not None and entry.get("forgotten", False)
