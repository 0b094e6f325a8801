"""What an event is: its parts, its derived scalars, and how it is shown."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any, NamedTuple

from eventapp.core.textsearch import fold_filter_key
from eventapp.events.types import Event, EventChange, IndexedEvent, SaleState

CATEGORIES = (
    "concert",
    "theater",
    "sports",
    "festival",
    "conference",
    "comedy",
    "workshop",
    "exhibition",
    "movie",
    "other",
)
DRAFT, PUBLISHED, CANCELLED, COMPLETED = "draft", "published", "cancelled", "completed"
STATUSES = (DRAFT, PUBLISHED, CANCELLED, COMPLETED)
SORTS = {
    "eventId": "eventId",
    "title": "titleKey",
    "date": "nextDate",
    "schedule.date": "nextDate",
    "price": "minPrice",
    "ticketTypes.price": "minPrice",
    "popularity": "popularity",
}
MAX_FAVORITES = 500
# Few tickets are left: no more than these, and no more than this part of what was put on sale.
FEW_TICKETS, FEW_PERCENT = 10, 10
MAX_ENTRIES, MAX_TYPES, MAX_TAGS = 100, 50, 20
# What the API shows of an event, in this order; all else is the store's own.
SHOWN = ("_id", "eventId", "title", "description", "category", "image", "schedule", "ticketTypes")
SHOWN_LAST = ("organizer", "organizerId", "tags", "status", "createdAt", "updatedAt", "__v")


def midnight(day: date) -> datetime:
    """A calendar date as the store keeps it: its first moment in UTC."""
    return datetime.combine(day, time.min, UTC)


def stored_entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    """A schedule entry of a body as the store keeps it."""
    return {**entry, "date": midnight(entry["date"])}


def new_ticket_type(
    type_id: int, type_: str, price: float, available: int, sold: int = 0, held: int = 0
) -> dict[str, Any]:
    """`capacity` is what was put on sale: always available + held + sold."""
    return {
        "ticketTypeId": type_id,
        "type": type_,
        "price": price,
        "availableTickets": available,
        "soldTickets": sold,
        "heldTickets": held,
        "capacity": available + sold + held,
        "waiting": 0,
        "waitSequence": 0,
    }


def derived(event: Mapping[str, Any], today: date) -> dict[str, Any]:
    """The scalars that lists filter and sort by, from the parts they stand beside.

    `public` says that anyone may see the event in a list, `listed` that it is to come, too.
    `nextDate` is the first entry on or after today, else the last one. These two change by the
    day: see `service.roll_day`.
    """
    dates = sorted(entry["date"] for entry in event["schedule"])
    types = event["ticketTypes"]
    upcoming = [moment for moment in dates if moment >= midnight(today)]
    return {
        "firstDate": dates[0],
        "lastDate": dates[-1],
        "nextDate": upcoming[0] if upcoming else dates[-1],
        "public": event["status"] in (PUBLISHED, COMPLETED),
        "listed": event["status"] == PUBLISHED and bool(upcoming),
        "minPrice": min(kind["price"] for kind in types),
        "available": sum(kind["availableTickets"] for kind in types),
        "titleKey": fold_filter_key(event["title"]),
        "places": sorted({fold_filter_key(entry["location"]) for entry in event["schedule"]}),
        "tagKeys": sorted({fold_filter_key(tag) for tag in event["tags"]}),
    }


def merged_ticket_types(
    old: Sequence[Mapping[str, Any]], wanted: Sequence[Mapping[str, Any]], next_id: int
) -> list[dict[str, Any]]:
    """A full edit's ticket types: matched by id, else by name, with their sold and held counts.

    Args:
        next_id: the first id never used by this event.
    """
    merged = []
    for want, was in zip(wanted, _continued(old, wanted), strict=True):
        type_id = was["ticketTypeId"] if was else next_id
        next_id += was is None
        sold, held = (was["soldTickets"], was["heldTickets"]) if was else (0, 0)
        kind = new_ticket_type(
            type_id, want["type"], want["price"], want["availableTickets"], sold, held
        )
        queue = {name: was[name] for name in ("waiting", "waitSequence")} if was else {}
        merged.append({**kind, **queue})
    return merged


def _continued(
    old: Sequence[Mapping[str, Any]], wanted: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any] | None]:
    """For each wanted type the old one it stands for, all ids first: so two may swap names."""
    by_id = {kind["ticketTypeId"]: kind for kind in old}
    named = [by_id.pop(want.get("ticketTypeId"), None) for want in wanted]
    by_name = {fold_filter_key(kind["type"]): kind for kind in by_id.values()}
    pairs = zip(wanted, named, strict=True)
    return [was or by_name.get(fold_filter_key(want["type"])) for want, was in pairs]


def dropped_in_use(
    old: Iterable[Mapping[str, Any]], new: Iterable[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """The types that an edit drops although tickets of them are sold, held or waited for."""
    kept = {kind["ticketTypeId"] for kind in new}
    return [
        kind
        for kind in old
        if kind["ticketTypeId"] not in kept
        and (kind["soldTickets"] or kind["heldTickets"] or kind["waiting"])
    ]


def has_duplicates(values: Iterable[Any]) -> bool:
    listed = list(values)
    return len(set(listed)) < len(listed)


def has_duplicate_names(ticket_types: Iterable[Mapping[str, Any]]) -> bool:
    """Return whether two ticket types have the same name but for case and accents."""
    return has_duplicates(fold_filter_key(ticket_type["type"]) for ticket_type in ticket_types)


def takes_place(event: Mapping[str, Any], date: datetime, location: str) -> bool:
    """True where the schedule has this date at this place."""
    return any(e["date"] == date and e["location"] == location for e in event["schedule"])


def moved_note(
    event: Mapping[str, Any], fields: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """Fields that note that holders are to be told of a date or place that an edit takes away."""
    after = {**event, **fields}
    gone = (not takes_place(after, e["date"], e["location"]) for e in event["schedule"])
    if after["status"] != PUBLISHED or not any(gone):
        return {}
    note = {"at": now, "rev": event["rev"]}
    return {"tell": [*event.get("tell", ()), note], "tellAt": now}


def is_low(event: Mapping[str, Any]) -> bool:
    """True where few tickets are left of an event that can be booked."""
    capacity: int = sum(kind["capacity"] for kind in event["ticketTypes"])
    available: int = event["available"]
    few = available <= FEW_TICKETS and available * 100 <= capacity * FEW_PERCENT
    return bool(event["listed"]) and few and available > 0


def view(
    event: Mapping[str, Any], *, favorited: bool, with_counts: bool, image_base_url: str
) -> dict[str, Any]:
    """The event as the API shows it.

    Args:
        with_counts: for its organizer and admins, also sold, held and capacity of each type.
        image_base_url: what a photo of our own (`/images/...`) starts with, as `https://host`.
    """
    shown: dict[str, Any] = {name: event.get(name) for name in SHOWN}
    if shown["image"].startswith("/"):
        shown["image"] = image_base_url + shown["image"]
    shown["schedule"] = [_entry_view(entry) for entry in event["schedule"]]
    shown["ticketTypes"] = [type_view(kind, with_counts) for kind in event["ticketTypes"]]
    shown["favorited"] = favorited
    shown.update({name: event.get(name) for name in SHOWN_LAST})
    shown["soldOut"] = all(kind["availableTickets"] == 0 for kind in event["ticketTypes"])
    return shown


def _entry_view(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {**entry, "date": entry["date"].date().isoformat()}


def type_view(kind: Mapping[str, Any], with_counts: bool) -> dict[str, Any]:
    names = ["ticketTypeId", "type", "price", "availableTickets"]
    if with_counts:
        names += ["soldTickets", "heldTickets", "capacity"]
    return {name: kind[name] for name in names}


class ListState(NamedTuple):
    """The part of an event's state that decides which lists contain it, and where in them.

    Only edits and sales change it. The passing of days and popularity, by which lists differ too,
    are no part of it.

    Attributes:
        edit_count: of the stored event (`__v`).
        sold_out_types: for each ticket type, whether no ticket can be bought.
    """

    edit_count: int
    sold_out_types: tuple[bool, ...]


def list_state(event: Event | SaleState | EventChange) -> ListState:
    """Return the list state of a stored event."""
    return ListState(event["__v"], sold_out_types(event))


def sold_out_types(event: Event | SaleState | EventChange | IndexedEvent) -> tuple[bool, ...]:
    """Return for each ticket type whether no ticket can be bought."""
    return tuple(stock["availableTickets"] == 0 for stock in event["ticketTypes"])
