"""Number the tickets of a booking, compute what a cancellation leaves, and list unpaid refunds.

Each ticket of a confirmed booking has a *place*, `<ticketTypeId>-<number>`. The numbers of a type
are 1 to `issued`, the quantity when the booking was confirmed. A cancelled ticket leaves its place
empty for good, so the ids and the codes of the other tickets never change.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from eventapp.bookings.rules import make_ticket_id, resize_item, sum_items
from eventapp.bookings.types import BookingItem, ItemTotals, Refund, StoredBooking


class UnpaidRefund(NamedTuple):
    """A refund of a booking that is decided and not recorded as paid.

    Attributes:
        path: where it is in the booking, as an update names it.
        key_suffix: what follows the id of the attempt in the key under which it is paid once.
    """

    refund: Refund
    path: str
    key_suffix: str


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


def list_unpaid_refunds(booking: StoredBooking) -> list[UnpaidRefund]:
    """Return the refunds of a booking that are to be paid, in the order of their decisions."""
    refunds = [
        UnpaidRefund(each["refund"], f"cancellations.{index}.refund", f"-{index + 1}")
        for index, each in enumerate(booking.get("cancellations", []))
        if each["refund"]
    ]
    if booking["refund"]:
        refunds.append(UnpaidRefund(booking["refund"], "refund", ""))
    return [each for each in refunds if "refundId" not in each.refund and each.refund["amount"]]
