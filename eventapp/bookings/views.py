"""Render bookings for the API, with the sum of their refunds."""

from collections.abc import Iterable
from typing import cast

from eventapp.bookings.bodies import (
    AttendeeView,
    BookingView,
    CheckedInView,
    PaymentView,
    RefundView,
)
from eventapp.bookings.rules import HELD, from_cents, make_ticket_id, to_cents
from eventapp.bookings.ticket_places import get_type_id, list_places
from eventapp.bookings.types import BookingId, BookingItem, StoredBooking
from eventapp.events.question_types import Attendee
from eventapp.payments.types import PaymentState, Refund

# What the API shows of a booking, in this order.
VIEW_FIELDS = tuple(BookingView.__annotations__)
# What an export shows of an attempt to pay.
ATTEMPT_FIELDS = ("attemptId", "provider", "cents", "state", "begunAt", "succeededAt", "refusal")


def render_booking(
    booking: StoredBooking, client_secret: str | None = None, *, with_attendees: bool = True
) -> BookingView:
    """Return the booking as the API shows it.

    Args:
        client_secret: lets the buyer pay; None if there is nothing to pay, or for others.
        with_attendees: whether the caller may see who comes with the tickets.
    """
    discount = booking.get("discountCents", 0)
    computed = {
        "date": booking["date"].date().isoformat(),
        "items": render_items(booking["items"]),
        "subtotal": from_cents(booking["totalCents"] + discount),
        "discount": from_cents(discount),
        "payment": _render_payment(booking, client_secret),
        "refund": sum_refunds(booking),
        "refunds": list_refunds(booking),
        "attendees": list_attendees(booking) if with_attendees else None,
        "incompleteTickets": _list_incomplete(booking),
    }
    shown = {name: computed.get(name, booking.get(name)) for name in VIEW_FIELDS}
    return cast(BookingView, shown)


def list_attendees(booking: StoredBooking) -> list[AttendeeView]:
    """Return who comes with the tickets of a held or confirmed booking, in their order."""
    attendees = booking.get("attendees", {})
    return [
        render_attendee(booking, place, attendees[place])
        for place in _list_active_places(booking)
        if place in attendees
    ]


def render_attendee(booking: StoredBooking, place: str, attendee: Attendee) -> AttendeeView:
    """Return who comes with the ticket at a place of a booking, as the API shows it."""
    return {
        "ticketId": make_ticket_id(booking["_id"], place),
        "ticketTypeId": get_type_id(place),
        "name": attendee["name"],
        "email": attendee.get("email"),
        "answers": attendee["answers"],
    }


def render_checked_in_ticket(
    booking: StoredBooking, place: str, *, with_attendees: bool
) -> CheckedInView:
    """Return the ticket at a place of a booking, whose check-in may be undone by now."""
    type_id, check_in = get_type_id(place), booking.get("checkIns", {}).get(place)
    names = {item["ticketTypeId"]: item["type"] for item in booking["items"]}
    attendee = booking.get("attendees", {}).get(place) if with_attendees else None
    return {
        "ticketId": make_ticket_id(booking["_id"], place),
        "ticketTypeId": type_id,
        "type": names.get(type_id),
        "name": attendee["name"] if attendee else None,
        "checkedInAt": check_in["at"] if check_in else None,
    }


def _list_incomplete(booking: StoredBooking) -> list[str]:
    attendees = booking.get("attendees", {})
    return [
        make_ticket_id(booking["_id"], place)
        for place in _list_active_places(booking)
        if place not in attendees
    ]


def _list_active_places(booking: StoredBooking) -> list[str]:
    return list_places(booking) if booking["active"] else []


def _render_payment(booking: StoredBooking, client_secret: str | None) -> PaymentView | None:
    """Return the payment of a booking; None for one that needs none."""
    payment = booking.get("payment")
    if payment is None:
        is_due = booking["status"] == HELD and booking["totalCents"]
        return _build_payment_view("required", None, booking) if is_due else None
    last = payment["attempts"][-1]
    view = _build_payment_view(payment["state"], last["attemptId"], booking)
    view["provider"] = last["provider"]
    if "refusal" in last and last["state"] == "refused":
        view["refusal"] = last["refusal"]
    if client_secret is not None:
        view["clientSecret"] = client_secret
    return view


def _build_payment_view(
    state: PaymentState, attempt_id: BookingId | None, booking: StoredBooking
) -> PaymentView:
    return {"status": state, "attemptId": attempt_id, "expiresAt": booking["expiresAt"]}


def render_export(booking: StoredBooking) -> dict[str, object]:
    """Return a booking with all attempts to pay for it, as its holder exports it."""
    attempts = booking["payment"]["attempts"] if "payment" in booking else []
    shown = [
        {name: value for name, value in each.items() if name in ATTEMPT_FIELDS} for each in attempts
    ]
    # All attendees are personal data, also those of tickets that are cancelled.
    attendees = [
        render_attendee(booking, place, attendee)
        for place, attendee in sorted(booking.get("attendees", {}).items())
    ]
    return {**render_booking(booking), "attendees": attendees, "attempts": shown}


def render_items(items: Iterable[BookingItem]) -> list[BookingItem]:
    """Return the items of a booking as the API shows them, also those of older versions."""
    return [
        item if "discount" in item else {**item, "discount": 0, "total": item["subtotal"]}
        for item in items
    ]


def list_refunds(booking: StoredBooking) -> list[RefundView]:
    """Return the refunds of a booking as the API shows them: of attempts that were given up, then
    the others in the order of their decisions.
    """
    attempts = booking["payment"]["attempts"] if "payment" in booking else []
    refunds = [_show_refund(each["refund"]) for each in attempts if "refund" in each]
    last = _show_refund(booking["refund"]) if booking["refund"] else None
    for cancellation in booking.get("cancellations", []):
        ticket_ids = [make_ticket_id(booking["_id"], place) for place in cancellation["places"]]
        if cancellation["refund"]:
            refunds.append({**_show_refund(cancellation["refund"]), "ticketIds": ticket_ids})
        elif last and "ended" in cancellation:
            last["ticketIds"] = ticket_ids
    return [*refunds, last] if last else refunds


def _show_refund(refund: Refund) -> RefundView:
    """Return a refund without what only operators need to know."""
    shown = {name: value for name, value in refund.items() if name in RefundView.__annotations__}
    return cast(RefundView, shown)


def sum_refunds(booking: StoredBooking) -> RefundView | None:
    """Return the sum of the refunds of a booking, with the reason and the time of the last one.

    It has a `refundId`, that of the last one, once all are paid.
    """
    refunds = list_refunds(booking)
    if not refunds:
        return None
    total: RefundView = {**refunds[-1]}
    total.pop("ticketIds", None)
    total["amount"] = from_cents(sum(to_cents(each["amount"]) for each in refunds))
    if not all("refundId" in each for each in refunds):
        total.pop("refundId", None)
    return total
