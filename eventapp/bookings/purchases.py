"""What an order means: which tickets, of which date, and whether so many may be asked for."""

from datetime import UTC, datetime
from datetime import time as clock_time

from eventapp.bookings.errors import EventPast, TicketLimit
from eventapp.bookings.rules import Limits
from eventapp.bookings.service import Order
from eventapp.core.errors import ValidationFailed
from eventapp.events.types import SaleState, ScheduleEntry
from eventapp.inventory.service import REJECT, WAITLIST, Inventory, TicketTypeNotFound
from eventapp.waitlist import service as waitlist


class Misread(Exception):
    """The event was edited since it was last seen: the order means other tickets."""


def resolve(inventory: Inventory, order: Order) -> tuple[dict[int, int], str]:
    """The tickets by type id, and what to do about too few."""
    try:
        items = _items(inventory.sale_state(order.event_id), order)
    except (TicketTypeNotFound, ValidationFailed):  # perhaps the event was edited meanwhile
        items = _items(inventory.sale_state(order.event_id, fresh=True), order)
    by_default = REJECT if order.named else WAITLIST
    return items, order.on_shortfall or by_default


def _items(event: SaleState, order: Order) -> dict[int, int]:
    if order.bare is not None:
        return {waitlist.require_only_type_id(event): order.bare}
    ids = {kind["type"]: kind["ticketTypeId"] for kind in event["ticketTypes"]}
    items: dict[int, int] = {}
    for type_id, name, quantity in order.named:
        found = type_id if type_id in ids.values() else ids.get(name or "")
        if found is None:
            raise TicketTypeNotFound
        items[found] = items.get(found, 0) + quantity
    return items


def refuse_misread(event: SaleState, order: Order, items: dict[int, int]) -> None:
    """Misread, or the refusal, where the order means other tickets of the event as it is now."""
    if _items(event, order) != items:
        raise Misread


def refuse_too_many(items: dict[int, int], limits: Limits) -> None:
    quantity = sum(items.values())
    if quantity > limits.per_booking:
        raise TicketLimit(f"At most {limits.per_booking} tickets a booking")
    if quantity > limits.per_user:
        raise TicketLimit(f"At most {limits.per_user} tickets of an event")


def refuse_past(inventory: Inventory, order: Order, now: datetime) -> None:
    """EventPast, ValidationFailed where the schedule has no such entry to come."""
    try:
        pick_entry(inventory.sale_state(order.event_id), order.schedule_index, now)
    except (EventPast, ValidationFailed):  # perhaps the event was edited meanwhile
        pick_entry(inventory.sale_state(order.event_id, fresh=True), order.schedule_index, now)


def pick_entry(event: SaleState, index: int | None, now: datetime) -> ScheduleEntry:
    """The schedule entry that is booked: the one named, else the next to come."""
    today, entries = datetime.combine(now.date(), clock_time.min, UTC), event["schedule"]
    if index is None:
        to_come = [entry for entry in entries if entry["date"] >= today]
        return min(to_come or entries, key=lambda entry: entry["date"])
    if index >= len(entries):
        raise ValidationFailed("Invalid schedule index")
    if entries[index]["date"] < today:
        raise EventPast
    return entries[index]
