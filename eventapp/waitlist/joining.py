"""Joining a waitlist."""

from datetime import datetime
from typing import Any

from bson import ObjectId

from eventapp.core.access.actor import Actor
from eventapp.core.database import Db
from eventapp.core.errors import Conflict
from eventapp.inventory.service import WAITLIST_ONLY, Inventory, TicketRequest
from eventapp.waitlist import service
from eventapp.waitlist.errors import AlreadyWaitlisted, TicketsAvailable


def join(
    db: Db,
    inventory: Inventory,
    *,
    actor: Actor,
    event_id: int,
    type_id: int | None,
    quantity: int,
    most: int,
    now: datetime,
) -> dict[str, Any]:
    """Let the caller wait for tickets of a type, of the only one where none is named.

    Args:
        most: the tickets of one event that one user may have.

    Returns:
        The entry as shown.

    Raises:
        EventNotFound, TicketTypeNotFound, NotOnSale, ValidationFailed, TicketsAvailable,
        AlreadyWaitlisted: the user does not wait, or waits as before.
    """
    user_id = actor.require_user_id()
    with inventory.hiding_drafts(event_id, actor):
        if quantity > most:
            raise Conflict(f"At most {most} tickets of an event", code="ticket_limit_exceeded")
        type_id = type_id or service.only_type(inventory.sale_state(event_id, fresh=True))
        entry_id = ObjectId()
        wanted = TicketRequest(
            booking_id=str(entry_id),
            items={type_id: quantity},
            on_shortfall=WAITLIST_ONLY,
            waitlist_entry_ids={type_id: str(entry_id)},
        )
        verdict, event = inventory.take(event_id, wanted, now)
        if verdict.is_refusal:
            raise TicketsAvailable(available=verdict.available[type_id])
        entry, shown = service.places(wanted, verdict, event, user_id=user_id, now=now)[0]
        if not service.record(db, inventory, entry):
            raise AlreadyWaitlisted
        return shown
