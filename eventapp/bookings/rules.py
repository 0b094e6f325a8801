"""What a booking is: its states, sums and deadlines, and how it is shown."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

HELD, CONFIRMED, CANCELLED, EXPIRED = "held", "confirmed", "cancelled", "expired"
STATUSES = (HELD, CONFIRMED, CANCELLED, EXPIRED)
ACTIVE = (HELD, CONFIRMED)
# Without 0, O, 1, I and L: nobody mistakes one for another on the telephone.
REFERENCE_ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
DIRECT = "direct"
SHOWN = (
    "_id",
    "bookingReference",
    "userId",
    "eventId",
    "eventTitle",
    "date",
    "location",
    "items",
    "quantity",
    "totalPrice",
    "currency",
    "status",
    "expiresAt",
    "createdAt",
    "updatedAt",
    "cancelledAt",
    "refund",
)
# What its holder is told of a booking that ends for this reason; of a declined offer, nothing.
ENDS_TOLD = {
    "cancelled": "booking_cancelled",
    "event_cancelled": "event_cancelled",
    "expired": "booking_expired",
}
CONFIRMED_TOLD, OFFER_TOLD = "booking_confirmed", "waitlist_offer"


@dataclass(frozen=True)
class Limits:
    """The house rules that settings decide. Times are spans; counts are tickets."""

    per_booking: int
    per_user: int
    cutoff: timedelta
    hold: timedelta
    offer: timedelta
    currency: str


def cents(amount: float) -> int:
    return round(amount * 100)


def money(amount: int) -> int | float:
    """Cents as the API writes an amount: an int where it is whole."""
    return amount // 100 if amount % 100 == 0 else amount / 100


def priced_items(event: Mapping[str, Any], taken: Mapping[int, int]) -> list[dict[str, Any]]:
    """What was taken, at the event's prices of this moment."""
    kinds = {kind["ticketTypeId"]: kind for kind in event["ticketTypes"]}
    return [
        {
            "ticketTypeId": type_id,
            "type": kinds[type_id]["type"],
            "quantity": quantity,
            "unitPrice": kinds[type_id]["price"],
            "subtotal": money(cents(kinds[type_id]["price"]) * quantity),
        }
        for type_id, quantity in taken.items()
    ]


def total_cents(items: Iterable[Mapping[str, Any]]) -> int:
    return sum(cents(item["unitPrice"]) * item["quantity"] for item in items)


def sums(items: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The fields of a booking that add up its items."""
    listed = list(items)
    total = total_cents(listed)
    return {
        "items": listed,
        "quantity": sum(item["quantity"] for item in listed),
        "totalPrice": money(total),
        "totalCents": total,
    }


def quantities(items: Iterable[Mapping[str, Any]]) -> dict[int, int]:
    return {item["ticketTypeId"]: item["quantity"] for item in items}


def new_booking(
    booking_id: Any,
    *,
    reference: str,
    user_id: Any,
    event: Mapping[str, Any],
    entry: Mapping[str, Any],
    taken: Mapping[int, int],
    currency: str,
    hold_until: datetime | None,
    now: datetime,
) -> dict[str, Any]:
    """The stored booking: held until a time, or confirmed at once.

    Args:
        event: as it stood right after its tickets were taken.
        entry: the schedule entry that is booked.
    """
    return {
        "_id": booking_id,
        "bookingReference": reference,
        "userId": user_id,
        "eventId": event["eventId"],
        "eventTitle": event["title"],
        "organizerId": event["organizerId"],
        "date": entry["date"],
        "location": entry["location"],
        **sums(priced_items(event, taken)),
        "currency": currency,
        "status": HELD if hold_until else CONFIRMED,
        "active": True,
        "slot": DIRECT,
        "expiresAt": hold_until,
        "createdAt": now,
        "updatedAt": now,
        "cancelledAt": None,
        "refund": None,
        **({} if hold_until else new_tell(CONFIRMED_TOLD, now)),
    }


def new_tell(kind: str, now: datetime) -> dict[str, Any]:
    """The fields of a new booking that note what its holder is to be told; the worker does."""
    return {"tell": {kind: now}, "tellAt": now}


def tells(kind: str | None, now: datetime) -> dict[str, Any]:
    """The same as fields to set with a change, beside what is noted already."""
    return {f"tell.{kind}": now, "tellAt": now} if kind else {}


def is_news(kind: str, booking: Mapping[str, Any]) -> bool:
    """False for an offer that was taken up or ended before anyone could be told of it."""
    return kind != OFFER_TOLD or booking["status"] == HELD


def view(booking: Mapping[str, Any]) -> dict[str, Any]:
    """The booking as the API shows it."""
    shown = {name: booking.get(name) for name in SHOWN}
    return {**shown, "date": booking["date"].date().isoformat()}


def cancellable_until(booking: Mapping[str, Any], cutoff: timedelta) -> datetime:
    """Until when its holder may cancel: `cutoff` before the date's midnight in UTC."""
    deadline: datetime = booking["date"] - cutoff
    return deadline


def charged_cents(booking: Mapping[str, Any]) -> int:
    """What a confirmed booking was charged: where it was held, what was paid then."""
    payment = booking.get("payment") or {}
    charged: int = payment.get("cents", booking["totalCents"])
    return charged


def is_unsure(payment: Mapping[str, Any] | None) -> bool:
    """True of a payment that was begun, and of which no charge was heard."""
    return payment is not None and "id" not in payment


def refund(cents: int, currency: str, reason: str, now: datetime) -> dict[str, Any]:
    """A refund as it is recorded; a `refundId` is added once it is paid."""
    return {"amount": money(cents), "currency": currency, "reason": reason, "refundedAt": now}


def split_accepted(
    items: Iterable[Mapping[str, Any]], quantity: int
) -> tuple[list[dict[str, Any]], dict[int, int]]:
    """An offer's items cut to `quantity` tickets, and what goes back, by ticket type."""
    kept, returned = [], {}
    for item in items:
        keeps = min(quantity, item["quantity"])
        quantity -= keeps
        if keeps:
            subtotal = money(cents(item["unitPrice"]) * keeps)
            kept.append({**item, "quantity": keeps, "subtotal": subtotal})
        if keeps < item["quantity"]:
            returned[item["ticketTypeId"]] = item["quantity"] - keeps
    return kept, returned
