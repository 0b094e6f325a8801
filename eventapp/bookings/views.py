"""Render bookings for the API, with the sum of their refunds."""

from collections.abc import Iterable
from typing import cast

from eventapp.bookings.bodies import BookingView, RefundView
from eventapp.bookings.rules import from_cents, make_ticket_id, to_cents
from eventapp.bookings.types import BookingItem, Refund, StoredBooking

# What the API shows of a booking, in this order.
VIEW_FIELDS = tuple(BookingView.__annotations__)


def render_booking(booking: StoredBooking) -> BookingView:
    """Return the booking as the API shows it."""
    discount = booking.get("discountCents", 0)
    computed = {
        "date": booking["date"].date().isoformat(),
        "items": render_items(booking["items"]),
        "subtotal": from_cents(booking["totalCents"] + discount),
        "discount": from_cents(discount),
        "refund": sum_refunds(booking),
        "refunds": list_refunds(booking),
    }
    shown = {name: computed.get(name, booking.get(name)) for name in VIEW_FIELDS}
    return cast(BookingView, shown)


def render_items(items: Iterable[BookingItem]) -> list[BookingItem]:
    """Return the items of a booking as the API shows them, also those of older versions."""
    return [
        item if "discount" in item else {**item, "discount": 0, "total": item["subtotal"]}
        for item in items
    ]


def list_refunds(booking: StoredBooking) -> list[RefundView]:
    """Return the refunds of a booking as the API shows them, in the order of their decisions."""
    refunds: list[RefundView] = []
    last = cast(RefundView, {**booking["refund"]}) if booking["refund"] else None
    for cancellation in booking.get("cancellations", []):
        ticket_ids = [make_ticket_id(booking["_id"], place) for place in cancellation["places"]]
        if cancellation["refund"]:
            refunds.append({**cancellation["refund"], "ticketIds": ticket_ids})
        elif last and "ended" in cancellation:
            last["ticketIds"] = ticket_ids
    return [*refunds, last] if last else refunds


def sum_refunds(booking: StoredBooking) -> Refund | None:
    """Return the sum of the refunds of a booking, with the reason and the time of the last one.

    It has a `refundId`, that of the last one, once all are paid.
    """
    parts = [each["refund"] for each in booking.get("cancellations", [])]
    refunds = [each for each in (*parts, booking["refund"]) if each]
    if len(refunds) < 2:
        return refunds[0] if refunds else None
    amount = from_cents(sum(to_cents(each["amount"]) for each in refunds))
    total: Refund = {**refunds[-1], "amount": amount}
    if not all("refundId" in each for each in refunds):
        total.pop("refundId", None)
    return total
