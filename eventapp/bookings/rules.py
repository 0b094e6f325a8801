"""Build bookings, and compute prices, refunds and deadlines.

A booking is `held` while its tickets are reserved for a payment or offered from the waitlist, and
`confirmed` once they are owned. It ends as `cancelled` or `expired`, for good.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast, get_args

from eventapp.bookings.bodies import ItemPrice, Quote
from eventapp.bookings.types import (
    AttendeesByType,
    BookingId,
    BookingItem,
    Cancellation,
    ChangeReason,
    EntryCopy,
    ItemTotals,
    PendingMove,
    Status,
    StoredBooking,
    UserId,
)
from eventapp.events.question_types import Attendee
from eventapp.events.types import SaleState, ScheduleEntry
from eventapp.payments.types import Amount, PaymentState, Refund, RefundReason

HELD: Status = "held"
CONFIRMED: Status = "confirmed"
CANCELLED: Status = "cancelled"
EXPIRED: Status = "expired"
STATUSES = (HELD, CONFIRMED, CANCELLED, EXPIRED)
ACTIVE_STATUSES = (HELD, CONFIRMED)
PAYMENT_STATES: tuple[PaymentState, ...] = get_args(PaymentState)
# 0, O, 1, I and L are left out, because they are mistaken for one another when read aloud.
REFERENCE_ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
# The most attendees of one purchase. The tickets of a larger one get theirs one by one.
MAX_ATTENDEES = 100
# The slot of a booking that its holder made. See `bookings.store`.
DIRECT_SLOT = "direct"
# The request that cancels a booking pays its refund within this time, else the worker does.
REQUEST_TIME = timedelta(seconds=10)

# Kinds of notifications to the holder.
BOOKING_CONFIRMED, WAITLIST_OFFER = "booking_confirmed", "waitlist_offer"
PAYMENT_REFUNDED = "payment_refunded"
TICKETS_CANCELLED = "tickets_cancelled"
# The kind of notification to the holder, by the reason why the booking ended. A holder who declines
# an offer is not notified.
END_NOTIFICATIONS: dict[ChangeReason, str] = {
    "cancelled": "booking_cancelled",
    "event_cancelled": "event_cancelled",
    "expired": "booking_expired",
}


@dataclass(frozen=True)
class Limits:
    """The limits and durations that the settings give.

    Attributes:
        per_booking: tickets of one booking.
        per_user: tickets of one event that one user may have.
        cancellation_cutoff: the holder may cancel until this long before the booked date begins.
        hold: how long a hold lasts.
        offer: how long a waitlist offer lasts.
        currency: ISO 4217 code of all prices.
        requires_verified_email: whether only accounts with a verified email may book.
    """

    per_booking: int
    per_user: int
    cancellation_cutoff: timedelta
    hold: timedelta
    offer: timedelta
    currency: str
    requires_verified_email: bool = False


def to_cents(amount: float) -> int:
    """Return an amount of money in whole cents."""
    return round(amount * 100)


def from_cents(cents: int) -> Amount:
    """Return cents as the API writes an amount: an int where it is whole, else a float."""
    return cents // 100 if cents % 100 == 0 else cents / 100


def price_items(
    event: SaleState, taken: Mapping[int, int], discounts: Mapping[int, int] | None = None
) -> list[BookingItem]:
    """Return the items of a booking, at the current prices of the event.

    Args:
        taken: quantities by ticketTypeId.
        discounts: the discount of one ticket in cents, at most its price, by ticketTypeId; absent
            types have none.
    """
    ticket_types = {each["ticketTypeId"]: each for each in event["ticketTypes"]}
    return [
        _price_item(
            ticket_types[type_id]["type"],
            type_id,
            quantity,
            ticket_types[type_id]["price"],
            (discounts or {}).get(type_id, 0),
        )
        for type_id, quantity in taken.items()
    ]


def _price_item(
    name: str, type_id: int, quantity: int, unit_price: Amount, discount: int
) -> BookingItem:
    """Return the item of some tickets of one type; `discount` is that of one ticket in cents."""
    unit_cents = to_cents(unit_price)
    return {
        "ticketTypeId": type_id,
        "type": name,
        "quantity": quantity,
        "unitPrice": unit_price,
        "subtotal": from_cents(unit_cents * quantity),
        "discount": from_cents(discount * quantity),
        "total": from_cents((unit_cents - discount) * quantity),
    }


def resize_item(item: BookingItem, quantity: int) -> BookingItem:
    """Return the item of fewer of its tickets, each at the same price and discount."""
    discount = get_discount_cents(item) // item["quantity"]
    return _price_item(item["type"], item["ticketTypeId"], quantity, item["unitPrice"], discount)


def get_discount_cents(item: BookingItem) -> int:
    """Return the discount of all tickets of an item in cents."""
    return to_cents(item.get("discount", 0))


def sum_items(items: Iterable[BookingItem]) -> ItemTotals:
    """Return the items together with their total quantity, discount and price."""
    listed = list(items)
    subtotal = sum(to_cents(item["unitPrice"]) * item["quantity"] for item in listed)
    discount = sum(map(get_discount_cents, listed))
    return {
        "items": listed,
        "quantity": sum(item["quantity"] for item in listed),
        "totalPrice": from_cents(subtotal - discount),
        "totalCents": subtotal - discount,
        "discountCents": discount,
    }


def build_quote(items: Iterable[BookingItem], currency: str) -> Quote:
    """Return what a booking with these items would cost."""
    totals = sum_items(items)
    return {
        "items": [_render_price(item) for item in totals["items"]],
        "subtotal": from_cents(totals["totalCents"] + totals["discountCents"]),
        "discount": from_cents(totals["discountCents"]),
        "total": totals["totalPrice"],
        "currency": currency,
    }


def collect_quantities(items: Iterable[BookingItem]) -> dict[int, int]:
    """Return the quantities of items by ticketTypeId."""
    return {item["ticketTypeId"]: item["quantity"] for item in items}


def _render_price(item: BookingItem) -> ItemPrice:
    return {
        "ticketTypeId": item["ticketTypeId"],
        "quantity": item["quantity"],
        "unitPrice": item["unitPrice"],
        "subtotal": item["subtotal"],
        "discount": item["discount"],
        "total": item["total"],
    }


def build_booking(
    booking_id: BookingId,
    *,
    reference: str,
    user_id: UserId,
    event: SaleState,
    schedule_entry: ScheduleEntry,
    taken: Mapping[int, int],
    discounts: Mapping[int, int] | None = None,
    promo_code: str | None = None,
    currency: str,
    hold_until: datetime | None,
    now: datetime,
    attendees: AttendeesByType | None = None,
) -> StoredBooking:
    """Return a booking to store.

    Args:
        taken: the booked quantities by ticketTypeId.
        discounts: the discount of one ticket in cents by ticketTypeId (see `price_items`).
        promo_code: the code that gives the discounts, as its organizer writes it.
        hold_until: the end of the hold; None for a booking that is confirmed at once.
        attendees: assigned to the tickets of their types in order; the rest is ignored.
    """
    totals = sum_items(price_items(event, taken, discounts))
    booking: StoredBooking = {
        "_id": booking_id,
        "bookingReference": reference,
        "userId": user_id,
        "eventId": event["eventId"],
        "eventTitle": event["title"],
        "organizerId": event["organizerId"],
        "date": schedule_entry["date"],
        "location": schedule_entry["location"],
        "items": totals["items"],
        "quantity": totals["quantity"],
        "totalPrice": totals["totalPrice"],
        "totalCents": totals["totalCents"],
        "discountCents": totals["discountCents"],
        "currency": currency,
        "status": HELD if hold_until else CONFIRMED,
        "active": True,
        "slot": DIRECT_SLOT,
        "expiresAt": hold_until,
        "createdAt": now,
        "updatedAt": now,
        "cancelledAt": None,
        "refund": None,
        "holderIsShown": True,
    }
    if promo_code is not None:
        booking["promoCode"] = promo_code
    if placed := _place_attendees(attendees or {}, taken):
        booking["attendees"] = placed
    copied = {**copy_entry(schedule_entry), "bookedMoves": schedule_entry["moves"]}
    booked = cast(StoredBooking, {**booking, **copied})
    return booked if hold_until else add_pending_notification(booked, BOOKING_CONFIRMED, now)


def _place_attendees(attendees: AttendeesByType, taken: Mapping[int, int]) -> dict[str, Attendee]:
    """Return the attendees of the tickets that were taken, by the places of the tickets."""
    return {
        f"{type_id}-{number}": each
        for type_id, quantity in taken.items()
        for number, each in enumerate(attendees.get(type_id, [])[:quantity], start=1)
        if each is not None
    }


def copy_entry(entry: ScheduleEntry) -> EntryCopy:
    """Return the copy of a schedule entry that a booking stores: see `bookings.booked_entries`."""
    return {
        "scheduleId": entry["scheduleId"],
        "date": entry["date"],
        "location": entry["location"],
        "timezone": entry["timezone"],
        "startsAt": entry.get("startsAt"),
        "endsAt": entry.get("endsAt"),
        "copiedMoves": entry["moves"],
    }


def add_pending_notification(booking: StoredBooking, kind: str, now: datetime) -> StoredBooking:
    """Return a copy of the booking with a pending notification, which the worker will write."""
    return {**booking, "tell": {kind: now}, "tellAt": now}


def build_pending_notification_fields(kind: str | None, now: datetime) -> dict[str, datetime]:
    """Return the fields that add a pending notification to a stored booking.

    Notifications of other kinds stay pending. If `kind` is None, there are no fields.
    """
    return {f"tell.{kind}": now, "tellAt": now} if kind else {}


def make_cancellation_kind(number: int) -> str:
    """Return the kind of the pending notification of the n-th cancellation of tickets, from 1."""
    return f"{TICKETS_CANCELLED}-{number}"


def find_notified_cancellation(booking: StoredBooking, kind: str) -> Cancellation | None:
    """Return the cancellation of tickets that a pending notification tells of; None for others."""
    name, _, number = kind.partition("-")
    return booking["cancellations"][int(number) - 1] if name == TICKETS_CANCELLED else None


def count_left_after(booking: StoredBooking, cancellation: Cancellation) -> int:
    """Return how many tickets a cancellation of some tickets has left.

    They are those that the booking has, and those that were cancelled later. The cancellation that
    ended a booking has not lowered its quantity.
    """
    number = booking["cancellations"].index(cancellation) + 1
    later = [each for each in booking["cancellations"][number:] if "ended" not in each]
    return booking["quantity"] + sum(len(each["places"]) for each in later)


def has_direct_booking(active: Iterable[StoredBooking]) -> bool:
    """Return whether the holder made one of these active bookings, of one user and event.

    The others are waitlist offers.
    """
    return any(booking["slot"] == DIRECT_SLOT for booking in active)


def get_pending_notifications(booking: StoredBooking) -> dict[str, datetime]:
    """Return the pending notifications of a booking that has some: {kind: when it became due}."""
    return booking["tell"]


def is_worth_notifying(kind: str, booking: StoredBooking) -> bool:
    """Return whether a notification is still of use.

    The notification of a waitlist offer is of no use once the offer was accepted or has ended.
    """
    return kind != WAITLIST_OFFER or booking["status"] == HELD


def make_ticket_id(booking_id: BookingId, place: str) -> str:
    """Return the id of the ticket at a place of a booking."""
    return f"{booking_id}-{place}"


def is_open_hold(booking: StoredBooking, now: datetime) -> bool:
    """Return whether the booking is held and its hold has not ended."""
    expires_at = booking["expiresAt"]
    return booking["status"] == HELD and expires_at is not None and expires_at > now


def get_pending_move(booking: StoredBooking) -> PendingMove | None:
    """Return the stock move of a booking that is not recorded as applied; None without one."""
    return booking["due"] if booking.get("restock") == "due" else None


def list_refunds(booking: StoredBooking) -> list[Refund]:
    """Return the refunds of a booking that are not those of single attempts, in their order."""
    parts = (each["refund"] for each in booking.get("cancellations", []))
    return [each for each in (*parts, booking["refund"]) if each]


def find_refund_due_time(reason: RefundReason, now: datetime) -> datetime:
    """Return when the worker pays a refund, if the request that decides it does not."""
    return now + REQUEST_TIME if reason in ("cancelled", "part_cancelled") else now


def build_refund(cents: int, currency: str, reason: RefundReason, now: datetime) -> Refund:
    """Return a refund that is decided and not yet paid, and therefore has no `refundId`."""
    return {"amount": from_cents(cents), "currency": currency, "reason": reason, "refundedAt": now}


def split_items(
    items: Iterable[BookingItem], quantity: int
) -> tuple[list[BookingItem], dict[int, int]]:
    """Split items after `quantity` tickets, in their order.

    Returns:
        The items that are kept, and the quantities of the rest by ticketTypeId.
    """
    kept: list[BookingItem] = []
    rest: dict[int, int] = {}
    for item in items:
        kept_quantity = min(quantity, item["quantity"])
        quantity -= kept_quantity
        if kept_quantity:
            kept.append(resize_item(item, kept_quantity))
        if kept_quantity < item["quantity"]:
            rest[item["ticketTypeId"]] = item["quantity"] - kept_quantity
    return kept, rest
