"""Read a purchase from a request, resolve it against an event, and build the answer.

`read_purchase` parses a request into a `Purchase`. `resolve_purchase` turns the purchase into
quantities by ticket type, for one state of the event. No other module interprets the request.
"""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from eventapp.bookings import rules
from eventapp.bookings.bodies import (
    BookingView,
    ItemInput,
    PurchaseData,
    PurchaseInput,
    TicketAttendeeInput,
)
from eventapp.bookings.types import Shortfall, StoredBooking
from eventapp.bookings.views import render_booking
from eventapp.core import json
from eventapp.events.types import SaleState, ScheduleEntry
from eventapp.inventory.entry_choice import choose_schedule_entry
from eventapp.inventory.nameable_types import NameableTypes
from eventapp.inventory.quantity_limits import refuse_quantities
from eventapp.inventory.service import (
    REJECT,
    WAITLIST,
    PromoNotFound,
    Quantities,
    TicketLimit,
    fold_code,
)
from eventapp.waitlist.types import EntryView

CREATED, ACCEPTED = 201, 202


class PurchaseItem(NamedTuple):
    """Tickets of one ticket type, which is named either by its id or by its name."""

    type_id: int | None  # None if the type is named by `type_name`
    type_name: str | None  # None if the type is named by `type_id`
    quantity: int  # tickets, at least 1


@dataclass(frozen=True)
class Purchase:
    """The tickets that a client wants to buy.

    Attributes:
        event_id: the eventId of the event.
        items: the ticket types and quantities; empty if no ticket type is named.
        only_type_quantity: the quantity if no ticket type is named, for the only type of the event;
            else None.
        schedule_id: the id of the schedule entry; None for the next entry, or `schedule_index`.
        schedule_index: the index of the schedule entry; None for the next entry, or `schedule_id`.
        promo_code: the promo code as the client sent it; None without one.
        hold: True to hold the tickets for a payment, False to confirm the booking at once.
        attendees: who comes with the tickets; empty if that is not said.
        on_shortfall: what to do when too few tickets are left; None for the default.
        idempotency_key: the value of the Idempotency-Key header; None without one.
        body_digest: a hash of the body, to detect that a key is sent again with another body. Empty
            without a key.
    """

    event_id: int
    items: tuple[PurchaseItem, ...] = ()
    only_type_quantity: int | None = None
    schedule_id: int | None = None
    schedule_index: int | None = None
    promo_code: str | None = None
    hold: bool = False
    attendees: tuple[TicketAttendeeInput, ...] = ()
    on_shortfall: Shortfall | None = None
    idempotency_key: str | None = None
    body_digest: str = ""

    @property
    def shortfall_mode(self) -> str:
        """`on_shortfall`, by default REJECT if ticket types are named, else WAITLIST."""
        return self.on_shortfall or (REJECT if self.items else WAITLIST)


def read_purchase(body: PurchaseInput, idempotency_key: str | None) -> Purchase:
    """Return the purchase that a request describes.

    Args:
        body: the body as the schema has loaded it.
        idempotency_key: the value of the Idempotency-Key header; None without one.
    """
    items = read_items(_collect_items(body))
    return Purchase(
        event_id=body["eventId"],
        items=items,
        only_type_quantity=None if items else body["quantity"],
        schedule_id=body.get("scheduleId"),
        schedule_index=body.get("scheduleIndex"),
        promo_code=body.get("promoCode"),
        hold=body["hold"],
        attendees=tuple(body.get("attendees", ())),
        on_shortfall=body.get("onShortfall"),
        idempotency_key=idempotency_key,
        body_digest=_digest(body) if idempotency_key else "",
    )


def read_items(items: Iterable[ItemInput]) -> tuple[PurchaseItem, ...]:
    """Return the items of a body."""
    return tuple(
        PurchaseItem(item.get("ticketTypeId"), item.get("type"), item["quantity"]) for item in items
    )


def _digest(body: PurchaseInput) -> str:
    return hashlib.blake2b(json.dumps(body), digest_size=16).hexdigest()


def _collect_items(body: PurchaseInput) -> Sequence[ItemInput]:
    """Return the items that a body names in either form; none if it names no ticket type."""
    if "items" in body:
        return body["items"]
    item: ItemInput = {"quantity": body["quantity"]}
    if "ticketTypeId" in body:
        item["ticketTypeId"] = body["ticketTypeId"]
    elif "type" in body:
        item["type"] = body["type"]
    else:
        return []
    return [item]


def resolve_purchase(
    purchase: Purchase,
    event: SaleState,
    limits: rules.Limits,
    now: datetime,
    unlocked: Collection[int] = (),
) -> tuple[Quantities, ScheduleEntry]:
    """Return the quantities by ticketTypeId and the schedule entry that a purchase asks for.

    Args:
        event: the state of the event to resolve the purchase against.
        unlocked: the ticketTypeIds that its promo code unlocks.

    Raises:
        TicketTypeNotFound, ValidationFailed: the event has no such ticket type or schedule entry.
        TicketLimit: the quantity exceeds the limit of one booking or one user.
        TicketMinimum: a booking of a ticket type needs more tickets.
        EventPast: the schedule entry is over.
    """
    items = _resolve_items(purchase, event, unlocked)
    _refuse_too_many(sum(items.values()), limits)
    refuse_quantities(event, items)
    entry = choose_schedule_entry(
        event, now, schedule_id=purchase.schedule_id, index=purchase.schedule_index
    )
    return items, entry


def require_code_key(promo_code: str | None) -> str | None:
    """Return the folded promo code that a request names; None without one.

    Raises:
        PromoNotFound: the text cannot be a code.
    """
    if promo_code is None:
        return None
    key = fold_code(promo_code)
    if key is None:
        raise PromoNotFound
    return key


def _resolve_items(purchase: Purchase, event: SaleState, unlocked: Collection[int]) -> Quantities:
    """Return the quantities by ticketTypeId, without checking limits and dates.

    Raises:
        TicketTypeNotFound: the event has no such ticket type.
        ValidationFailed: no ticket type is named, and the event does not have one public type.
    """
    if purchase.only_type_quantity is not None:
        return {NameableTypes(event).require_only_id(): purchase.only_type_quantity}
    return resolve_item_list(purchase.items, event, unlocked)


def resolve_item_list(
    items: Iterable[PurchaseItem], event: SaleState, unlocked: Collection[int]
) -> Quantities:
    """Return the quantities of items by ticketTypeId; items of one type are added up.

    Args:
        unlocked: the ticketTypeIds that the promo code of the request unlocks.

    Raises:
        TicketTypeNotFound: the event has no ticket type that may be named like this.
    """
    types, quantities = NameableTypes(event, unlocked), Quantities()
    for named_id, type_name, quantity in items:
        type_id = types.require_id(named_id, type_name)
        quantities[type_id] = quantities.get(type_id, 0) + quantity
    return quantities


def _refuse_too_many(quantity: int, limits: rules.Limits) -> None:
    if quantity > limits.per_booking:
        message = f"At most {limits.per_booking} tickets a booking"
        raise TicketLimit(message, limit=limits.per_booking)
    if quantity > limits.per_user:
        raise TicketLimit(f"At most {limits.per_user} tickets of an event", limit=limits.per_user)


@dataclass(frozen=True)
class PurchaseAnswer:
    """The answer to a purchase.

    Attributes:
        status: 201 if there is a booking, 202 if there are only waitlist entries.
        message: a sentence that summarizes the result.
        data: the booking and the waitlist entries.
    """

    status: int
    message: str
    data: PurchaseData


def build_answer(booking: StoredBooking | None, entries: Sequence[EntryView]) -> PurchaseAnswer:
    """Return the answer to a purchase that resulted in a booking, waitlist entries, or both."""
    data: PurchaseData = {}
    if booking:
        data["booking"] = render_booking(booking)
    if entries:
        data["waitlistEntry"] = entries[0]
    if len(entries) > 1:
        data["waitlistEntries"] = list(entries)
    waitlisted = sum(entry["quantity"] for entry in entries)
    return PurchaseAnswer(
        status=CREATED if booking else ACCEPTED,
        message=_format_message(booking, waitlisted),
        data=data,
    )


def replace_booking(answer: PurchaseAnswer, booking: BookingView) -> PurchaseAnswer:
    """Return an answer in which the booking is shown as it is now."""
    entries = answer.data.get("waitlistEntries") or [
        each for each in (answer.data.get("waitlistEntry"),) if each
    ]
    return replace(
        answer,
        message=_format_message(booking, sum(each["quantity"] for each in entries)),
        data={**answer.data, "booking": booking},
    )


def _format_message(booking: StoredBooking | BookingView | None, waitlisted: int) -> str:
    if not booking:
        return f"Sold out. {_format_quantity(waitlisted)} added to waitlist."
    verb = "Held" if booking["status"] == rules.HELD else "Booked"
    message = f"{verb} {_format_quantity(booking['quantity'])}."
    if waitlisted:
        return f"{message} Remaining {_format_quantity(waitlisted)} added to waitlist."
    return message


def _format_quantity(quantity: int) -> str:
    return f"{quantity} ticket{'' if quantity == 1 else 's'}"
