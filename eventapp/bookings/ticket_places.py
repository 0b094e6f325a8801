"""Number the tickets of a booking, compute what a cancellation leaves, and list unpaid refunds.

Each ticket of a confirmed booking has a *place*, `<ticketTypeId>-<number>`. The numbers of a type
are 1 to `issued`, the quantity when the booking was confirmed. A cancelled ticket leaves its place
empty for good, so the ids and the codes of the other tickets never change.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from eventapp.bookings.rules import make_ticket_id, resize_item, sum_items
from eventapp.bookings.types import BookingItem, ItemTotals, StoredBooking
from eventapp.payments.types import Refund, StoredAttempt


class KeyedRefund(NamedTuple):
    """A refund of a booking.

    Attributes:
        path: where it is in the booking, as an update names it; empty for that of an attempt.
        attempt: the attempt whose money it pays back.
        key: the key under which the provider pays it once.
    """

    refund: Refund
    path: str
    attempt: StoredAttempt
    key: str


def list_places(booking: StoredBooking) -> list[str]:
    """Return the places of the tickets that a confirmed booking has, in the order of its items."""
    cancelled = find_cancelled_places(booking)
    return [
        place
        for item in booking["items"]
        for place in _list_issued_places(item)
        if place not in cancelled
    ]


def _list_issued_places(item: BookingItem) -> list[str]:
    issued = item.get("issued", item["quantity"])
    return [f"{item['ticketTypeId']}-{number}" for number in range(1, issued + 1)]


def find_cancelled_places(booking: StoredBooking) -> set[str]:
    """Return the places of the tickets of a booking that were cancelled while others were left."""
    return {place for each in booking.get("cancellations", []) for place in each["places"]}


def parse_place(booking: StoredBooking, ticket_id: str) -> str:
    """Return the place that a ticket id names; an empty one if it is of another booking."""
    prefix = make_ticket_id(booking["_id"], "")
    return ticket_id.removeprefix(prefix) if ticket_id.startswith(prefix) else ""


def get_type_id(place: str) -> int:
    """Return the ticketTypeId of a place."""
    return int(place.partition("-")[0])


def count_by_type(places: Iterable[str]) -> Counter[int]:
    """Return how many of these places are of each ticket type, by ticketTypeId."""
    return Counter(map(get_type_id, places))


def subtract_places(booking: StoredBooking, places: Iterable[str]) -> ItemTotals:
    """Return the items that a booking has left without these places, with their totals.

    An item of which nothing is left is left out.
    """
    return sum_items(_iter_left_items(booking, count_by_type(places)))


def _iter_left_items(booking: StoredBooking, cancelled: Counter[int]) -> Iterator[BookingItem]:
    for item in booking["items"]:
        removed = cancelled[item["ticketTypeId"]]
        left = item["quantity"] - removed
        if not removed:
            yield item
        elif left:
            yield {**resize_item(item, left), "issued": item.get("issued", item["quantity"])}


def pick_items(booking: StoredBooking, places: Iterable[str]) -> list[BookingItem]:
    """Return the tickets at some places of a booking as items with their prices."""
    picked = count_by_type(places)
    return [
        resize_item(item, picked[item["ticketTypeId"]])
        for item in booking["items"]
        if item["ticketTypeId"] in picked
    ]


def list_issued_items(booking: StoredBooking) -> list[BookingItem]:
    """Return the items of a booking as they were confirmed, with those of cancelled tickets."""
    items = [resize_item(item, item.get("issued", item["quantity"])) for item in booking["items"]]
    listed = {item["ticketTypeId"] for item in items}
    # Nothing is left of these types, and `items` of the booking does not have them any more.
    gone: dict[int, BookingItem] = {}
    for cancellation in booking.get("cancellations", []):
        for item in cancellation.get("items", []):
            type_id = item["ticketTypeId"]
            if type_id not in listed:
                earlier = gone[type_id]["quantity"] if type_id in gone else 0
                gone[type_id] = resize_item(item, item["quantity"] + earlier)
    return [*items, *gone.values()]


def list_unpaid_refunds(booking: StoredBooking) -> list[KeyedRefund]:
    """Return the refunds of a booking that are to be paid, in the order of their decisions."""
    return [each for each in _list_refunds(booking) if "refundId" not in each.refund]


def list_paid_refunds(booking: StoredBooking) -> list[KeyedRefund]:
    """Return the refunds of a booking that are recorded as paid, in the order of their decisions.

    The key of one that the provider could not pay is another one when it is paid again.
    """
    return [each for each in _list_refunds(booking) if "refundId" in each.refund]


def _list_refunds(booking: StoredBooking) -> list[KeyedRefund]:
    """Return the refunds of a booking, without those of nothing."""
    attempts = booking["payment"]["attempts"] if "payment" in booking else []
    refunds = [_add_key(each["refund"], "", each) for each in attempts if "refund" in each]
    paid = next((a for a in attempts if a["state"] == "succeeded" and "refund" not in a), None)
    if paid:
        refunds += [
            _add_key(each["refund"], f"cancellations.{index}.refund", paid, f"-{index + 1}")
            for index, each in enumerate(booking.get("cancellations", []))
            if each["refund"]
        ]
        if booking["refund"]:
            refunds.append(_add_key(booking["refund"], "refund", paid))
    return [each for each in refunds if each.refund["amount"]]


def _add_key(refund: Refund, path: str, attempt: StoredAttempt, suffix: str = "") -> KeyedRefund:
    returns = refund.get("returns", 0)
    again = f"-again{returns}" if returns else ""
    return KeyedRefund(refund, path, attempt, f"{attempt['attemptId']}{suffix}{again}")
