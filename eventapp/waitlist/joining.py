"""Join a waitlist: count a user's entry in the event, then store it.

The update of the event that counts an entry in `waiting` also gives the entry its sequence number,
so that two entries never share a position. The entry is stored afterwards, as a booking is stored
after its take (see `eventapp.inventory.store`).
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from bson import ObjectId

from eventapp.accounts.verification import require_verified_email
from eventapp.core.access.actor import Actor
from eventapp.core.app_key import AppKey
from eventapp.core.database import Db
from eventapp.core.errors import AppError, DatabaseUnavailable
from eventapp.core.failpoints import failpoint
from eventapp.events.question_types import Attendee
from eventapp.events.types import SaleState
from eventapp.inventory.entry_choice import choose_schedule_entry
from eventapp.inventory.nameable_types import NameableTypes
from eventapp.inventory.quantity_limits import refuse_quantities
from eventapp.inventory.service import (
    INVENTORY,
    WAITLIST_ONLY,
    Allocation,
    Inventory,
    TicketLimit,
    TicketRequest,
    get_terms,
    make_join_key,
)
from eventapp.waitlist import store
from eventapp.waitlist.errors import AlreadyWaitlisted, TicketsAvailable
from eventapp.waitlist.listing import render_entry
from eventapp.waitlist.types import EntryView, WaitlistEntry

# Re-exported for routes and bookings, which cannot import the modules that define them.
__all__ = ["INVENTORY", "AlreadyWaitlisted"]

# Returns how many tickets of an event a user has, purchased and offered together.
TicketCounter = Callable[[Db, ObjectId, int], int]
TICKET_COUNTER: AppKey[TicketCounter] = AppKey("ticket_counter")


class _WantedPlace(NamedTuple):
    """What a user wants to wait for; the arguments of `join_waitlist`."""

    type_id: int | None
    schedule_id: int | None
    schedule_index: int | None
    quantity: int


def join_waitlist(
    db: Db,
    inventory: Inventory,
    *,
    actor: Actor,
    event_id: int,
    type_id: int | None,
    schedule_id: int | None = None,
    schedule_index: int | None = None,
    quantity: int,
    max_quantity: int,
    count_tickets: TicketCounter,
    requires_verified_email: bool,
    now: datetime,
) -> EntryView:
    """Put the caller on the waitlist of a ticket type and schedule entry without tickets left.

    Args:
        type_id: None for the event's only public ticket type.
        schedule_id, schedule_index: the id or the index of the schedule entry. At most one of them
            is given; without both it is the next entry to come.
        max_quantity: the most tickets of one event that a user may have.
        count_tickets: counts the tickets that the caller has already. If the caller books more
            after this, the entry is closed when its turn comes, and the caller is told.
        requires_verified_email: whether only an account with a verified email may wait.

    Raises:
        EventNotFound, TicketTypeNotFound, NotOnSale, TypeNotOnSale, EventPast, ValidationFailed,
            TicketLimit, TicketsAvailable, AlreadyWaitlisted, EmailNotVerified, ScopeMissing:
            nothing is written, or it is undone.
        EventBusy: nothing is written, or recovery undoes it.
    """
    user_id = actor.require_user_id()
    actor.require_reach(event_id)
    if requires_verified_email:
        require_verified_email(db, user_id)
    with inventory.hide_drafts_from(actor, event_id):
        _refuse_over_limit(quantity, 0, max_quantity)
        _refuse_over_limit(quantity, count_tickets(db, user_id, event_id), max_quantity)
        wanted = _WantedPlace(type_id, schedule_id, schedule_index, quantity)
        request, allocation, event = _join(inventory, event_id, wanted, now)
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
        message = f"At most {max_quantity} tickets of an event{have}"
        raise TicketLimit(message, limit=max_quantity)


def _join(
    inventory: Inventory, event_id: int, wanted: _WantedPlace, now: datetime
) -> tuple[TicketRequest, Allocation, SaleState]:
    """Count an entry in `waiting` if no ticket is available.

    Returns:
        The request, its allocation, which may be empty, and the event after it.
    """
    while True:
        state = inventory.get_sale_state(event_id, fresh=True)
        request = _build_join_request(state, wanted, now)
        refuse_quantities(state, request.items)
        allocation, event = inventory.take(event_id, request, now)
        if not allocation.has_other_terms:
            return request, allocation, event


def _build_join_request(event: SaleState, wanted: _WantedPlace, now: datetime) -> TicketRequest:
    entry_id, types = str(ObjectId()), NameableTypes(event)
    type_id = types.require_id(wanted.type_id) if wanted.type_id else types.require_only_id()
    schedule_entry = choose_schedule_entry(
        event, now, schedule_id=wanted.schedule_id, index=wanted.schedule_index
    )
    return TicketRequest(
        booking_id=entry_id,  # not used: this mode takes no tickets
        items={type_id: wanted.quantity},
        schedule_id=schedule_entry["scheduleId"],
        on_shortfall=WAITLIST_ONLY,
        waitlist_entry_ids={type_id: entry_id},
        terms=get_terms(event),
        moment=now,
    )


def build_entries(
    request: TicketRequest,
    allocation: Allocation,
    event: SaleState,
    *,
    user_id: ObjectId,
    now: datetime,
    attendees: Mapping[int, Sequence[Attendee | None]] | None = None,
) -> list[tuple[WaitlistEntry, EntryView]]:
    """Return an entry for each ticket type that was put on the waitlist, with its view.

    Args:
        attendees: who comes with the requested tickets, by ticketTypeId. The first ones have the
            tickets that were taken.
    """
    built = []
    for type_id, waitlisted in allocation.waitlisted.items():
        entry: WaitlistEntry = {
            "_id": ObjectId(request.waitlist_entry_ids[type_id]),
            "userId": user_id,
            "eventId": event["eventId"],
            "eventTitle": event["title"],
            "ticketTypeId": type_id,
            "type": _find_type_name(event, type_id),
            "scheduleId": request.schedule_id,
            "quantity": waitlisted.quantity,
            "sequence": waitlisted.sequence,
            "status": "waiting",
            "active": True,
            "offers": [],
            "joinedAt": now,
            "updatedAt": now,
            "holderIsShown": True,
        }
        taken = allocation.taken.get(type_id, 0)
        if waiting := (attendees or {}).get(type_id, [])[taken:]:
            entry["attendees"] = [*waiting, *[None] * (waitlisted.quantity - len(waiting))]
        built.append((entry, render_entry(entry, waitlisted.position, event["schedule"])))
    return built


def _find_type_name(event: SaleState, type_id: int) -> str:
    return next(t["type"] for t in event["ticketTypes"] if t["ticketTypeId"] == type_id)


def record_entry(db: Db, inventory: Inventory, entry: WaitlistEntry) -> bool:
    """Store an entry that the event counts already.

    Returns:
        False if the entry was refused (see `store.insert_entry`), usually because the user waits
        for this ticket type and schedule entry already. The join of the entry is then undone.
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


def find_waited_type_ids(db: Db, user_id: ObjectId, event_id: int, schedule_id: int) -> set[int]:
    """Return the ticket types of this event that the user waits for at this schedule entry."""
    entries = store.find_active_of_user_and_event(db, user_id, event_id, schedule_id)
    return {entry["ticketTypeId"] for entry in entries}
