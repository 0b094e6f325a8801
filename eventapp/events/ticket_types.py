"""Rules of ticket types: how edits change them, when they are on sale, how answers show them."""

from collections.abc import Container, Hashable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar, cast

from eventapp.core.textsearch import fold_text
from eventapp.events.bodies import TicketTypeInput, TicketTypePatch, TicketTypeView
from eventapp.events.quotas import count_available, count_left
from eventapp.events.sales_rules import SaleStateName, Visibility, VisibilityName
from eventapp.events.types import (
    Event,
    EventWrite,
    IndexedEvent,
    LowTicketsEvent,
    SaleState,
    TicketType,
)

# The optional fields of a ticket type, which a request sets and null clears.
OPTIONAL_FIELDS = (
    *("description", "salesFrom", "salesUntil"),
    *("minPerBooking", "maxPerBooking", "maxPerUser", "visibility"),
)
# The most characters of a description.
MAX_DESCRIPTION = 500
SCHEDULED: SaleStateName = "scheduled"
ON_SALE: SaleStateName = "on_sale"
SOLD_OUT: SaleStateName = "sold_out"
ENDED: SaleStateName = "ended"
SALE_STATES = (SCHEDULED, ON_SALE, SOLD_OUT, ENDED)
PUBLIC: VisibilityName = "public"
HIDDEN: VisibilityName = "hidden"
SECRET: VisibilityName = "secret"
VISIBILITIES = (PUBLIC, HIDDEN, SECRET)
# What an absent `salesFrom` and an absent `salesUntil` stand for.
EARLIEST, LATEST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)

AnyType = TypeVar("AnyType", bound=Visibility)


def list_visible_types(types: Iterable[AnyType], *, may_manage: bool) -> list[AnyType]:
    """Return the ticket types of an event that a viewer sees in lists of types, in their order.

    Everything that an answer says of ticket types to a viewer follows from this list: the types
    themselves, prices, whether the event is sold out or on sale, and which lists contain it.

    Args:
        may_manage: whether the viewer is the organizer or an admin, who see all types.
    """
    return [each for each in types if may_manage or "visibility" not in each]


def may_be_named(ticket_type: TicketType, unlocked: Container[int] = ()) -> bool:
    """Return whether a request may name the type. To others, a secret type is an unknown one.

    Args:
        unlocked: the ticketTypeIds that the promo code of the request unlocks.
    """
    return ticket_type.get("visibility") != SECRET or ticket_type["ticketTypeId"] in unlocked


def make_ticket_type(type_id: int, name: str, price: float, available: int) -> TicketType:
    """Return a new ticket type, without sold tickets."""
    return {
        "ticketTypeId": type_id,
        "type": name,
        "price": price,
        "availableTickets": available,
        "soldTickets": 0,
        "heldTickets": 0,
        "capacity": available,
        "waiting": 0,
    }


def set_optional_fields(
    ticket_type: TicketType, body: TicketTypeInput | TicketTypePatch
) -> TicketType:
    """Return the type with the optional fields that a body holds.

    None, "" and the visibility PUBLIC remove a field.
    """
    fields: dict[str, object] = {**ticket_type, **body}
    kept = {name: fields.get(name) for name in OPTIONAL_FIELDS}
    without = {name: value for name, value in ticket_type.items() if name not in OPTIONAL_FIELDS}
    return cast(
        TicketType, without | {n: v for n, v in kept.items() if v not in (None, "", PUBLIC)}
    )


def find_all_rule_faults(ticket_types: Iterable[TicketType]) -> dict[str, list[str]]:
    """Return what is wrong with the optional fields of types, by the path of the field at fault."""
    return {
        f"ticketTypes.{index}.{field}": messages
        for index, each in enumerate(ticket_types)
        for field, messages in find_rule_faults(each).items()
    }


def find_rule_faults(ticket_type: TicketType) -> dict[str, list[str]]:
    """Return what is wrong with the optional fields of a type together, by the field at fault."""
    if ticket_type.get("salesUntil", LATEST) <= ticket_type.get("salesFrom", EARLIEST):
        return {"salesUntil": ["Must be after salesFrom."]}
    maximums = (
        ("maxPerBooking", ticket_type.get("maxPerBooking")),
        ("maxPerUser", ticket_type.get("maxPerUser")),
    )
    minimum = ticket_type.get("minPerBooking", 1)
    return {
        name: ["Must not be below minPerBooking."]
        for name, maximum in maximums
        if maximum is not None and maximum < minimum
    }


def merge_ticket_types(
    stored: Sequence[TicketType], requested: Sequence[TicketTypeInput], next_id: int
) -> list[TicketType]:
    """Return the ticket types after a request replaces all of them.

    A requested type replaces the stored type with its id, else the one with its name. It keeps the
    id, the sold and held tickets, the waitlist, and the optional fields that the request leaves
    out.

    Args:
        next_id: the first id that the event never used.
    """
    merged = []
    for each, replaced in zip(requested, _find_replaced(stored, requested), strict=True):
        name, price, available = each["type"], each["price"], each["availableTickets"]
        if replaced is None:
            made = make_ticket_type(next_id, name, price, available)
            next_id += 1
        else:
            made = _replace_available({**replaced, "type": name, "price": price}, available)
        merged.append(set_optional_fields(made, each))
    return merged


def _replace_available(ticket_type: TicketType, available: int) -> TicketType:
    """Return the type with this number of available tickets, and the capacity to match."""
    capacity = available + ticket_type["soldTickets"] + ticket_type["heldTickets"]
    return {**ticket_type, "availableTickets": available, "capacity": capacity}


def _find_replaced(
    stored: Sequence[TicketType], requested: Sequence[TicketTypeInput]
) -> list[TicketType | None]:
    """Return for each requested type the stored one that it replaces, None for a new one.

    All ids are matched before any name, so that two types can swap their names.
    """
    unmatched = {each["ticketTypeId"]: each for each in stored}
    by_id = [unmatched.pop(each.get("ticketTypeId", 0), None) for each in requested]
    by_name = {fold_text(each["type"]): each for each in unmatched.values()}
    pairs = zip(requested, by_id, strict=True)
    return [found or by_name.get(fold_text(each["type"])) for each, found in pairs]


def patch_ticket_type(ticket_type: TicketType, patch: TicketTypePatch) -> TicketType | None:
    """Return the type after a patch, or None if fewer tickets would exist than are taken."""
    taken = ticket_type["soldTickets"] + ticket_type["heldTickets"]
    available = ticket_type["availableTickets"]
    if "availableTickets" in patch:
        available = patch["availableTickets"]
    if "capacity" in patch:
        available = patch["capacity"] - taken
    if available < 0:
        return None
    named: TicketType = {
        **ticket_type,
        "type": patch.get("type", ticket_type["type"]),
        "price": patch.get("price", ticket_type["price"]),
    }
    return _replace_available(set_optional_fields(named, patch), available)


def find_dropped_in_use(
    before: Iterable[TicketType], after: Iterable[TicketType], waited_ids: Container[int]
) -> list[TicketType]:
    """Return the types that an edit drops although tickets are sold, held or waited for.

    Args:
        waited_ids: the ids of the ticket types in whose queues somebody waits.
    """
    kept = {ticket_type["ticketTypeId"] for ticket_type in after}
    return [
        each
        for each in before
        if each["ticketTypeId"] not in kept
        and (
            each["soldTickets"]
            or each["heldTickets"]
            or each["waiting"]
            or each["ticketTypeId"] in waited_ids
        )
    ]


def has_duplicates(values: Iterable[Hashable]) -> bool:
    """Return whether two of the values are equal."""
    listed = list(values)
    return len(set(listed)) < len(listed)


def has_duplicate_names(ticket_types: Iterable[TicketType | TicketTypeInput]) -> bool:
    """Return whether two ticket types have the same name, ignoring case and accents."""
    return has_duplicates(fold_text(ticket_type["type"]) for ticket_type in ticket_types)


def present_ticket_types(
    event: Event | SaleState, public: Iterable[int], *, with_counts: bool, now: datetime
) -> list[TicketTypeView]:
    """Return those of an event's ticket types that a viewer sees, as answers present them.

    Args:
        public: the tickets of each type that anybody can book, as `count_public` counts them.
        with_counts: show all types, with the stored available tickets in place of these, and with
            their visibility, sold and held tickets and capacity. Only the organizer and admins may
            see that.
        now: the time by the database's clock.
    """
    available = {
        each["ticketTypeId"]: count
        for each, count in zip(event["ticketTypes"], public, strict=True)
    }
    visible = list_visible_types(event["ticketTypes"], may_manage=with_counts)
    return [
        _present(event, each, available[each["ticketTypeId"]], with_counts, now) for each in visible
    ]


def present_unlocked(
    event: SaleState, unlocked: Container[int], schedule_id: int | None, now: datetime
) -> list[TicketTypeView]:
    """Return the ticket types that a promo code shows to who names it, in their order.

    Args:
        unlocked: the ticketTypeIds that the code unlocks.
        schedule_id: the entry whose tickets are counted; None for the most that one entry offers.
        now: the time by the database's clock.
    """
    types = [
        each
        for each in event["ticketTypes"]
        if each["ticketTypeId"] in unlocked and "visibility" in each
    ]
    entries = find_bookable(event, now)
    chosen = entries if schedule_id is None else [each for each in entries if each == schedule_id]
    left = count_left(types, chosen, event.get("quotas", ())).values()
    counts = [max(each) for each in zip(*left, strict=True)] or [0] * len(types)
    return [
        _present(event, each, count if count >= each.get("minPerBooking", 1) else 0, False, now)
        for each, count in zip(types, counts, strict=True)
    ]


def _present(
    event: Event | SaleState,
    ticket_type: TicketType,
    available: int,
    with_counts: bool,
    now: datetime,
) -> TicketTypeView:
    view: TicketTypeView = {
        "ticketTypeId": ticket_type["ticketTypeId"],
        "type": ticket_type["type"],
        "price": ticket_type["price"],
        "availableTickets": available,
        "saleState": determine_sale_state(event, ticket_type, available, now),
    }
    fields = cast(dict[str, object], ticket_type)
    optional = {name: fields[name] for name in OPTIONAL_FIELDS if name in fields}
    view.update(cast(TicketTypeView, optional))
    if with_counts:
        view["visibility"] = ticket_type.get("visibility", PUBLIC)
        view["availableTickets"] = ticket_type["availableTickets"]
        view["soldTickets"] = ticket_type["soldTickets"]
        view["heldTickets"] = ticket_type["heldTickets"]
        view["capacity"] = ticket_type["capacity"]
    return view


def determine_sale_state(
    event: Event | SaleState, ticket_type: TicketType, available: int, now: datetime
) -> SaleStateName:
    """Return whether tickets of a type can be bought now, and if not, why.

    Args:
        available: how many tickets of the type the stock leaves to anybody.
        now: the time by the database's clock.

    Returns:
        ENDED if the event is cancelled or over, or the sale has ended; SCHEDULED for a draft, and
        before the sale begins; SOLD_OUT if nobody can buy a ticket now; else ON_SALE.
    """
    is_over = event["status"] in ("cancelled", "completed") or get_end(event) <= now
    if is_over or ticket_type.get("salesUntil", LATEST) <= now:
        return ENDED
    if event["status"] == "draft" or ticket_type.get("salesFrom", EARLIEST) > now:
        return SCHEDULED
    return ON_SALE if available else SOLD_OUT


def find_next_edge(event: Event | SaleState, now: datetime) -> datetime | None:
    """Return when the ticket types will next be presented otherwise although nothing is written.

    None stands for never.
    """
    return min((edge for edge in _list_edges(event) if edge > now), default=None)


def find_last_edge(event: Event, now: datetime) -> datetime | None:
    """Return when the ticket types were last presented otherwise although nothing was written.

    None stands for never.
    """
    return max((edge for edge in _list_edges(event) if edge <= now), default=None)


def _list_edges(event: Event | SaleState) -> list[datetime]:
    """Return when public types are presented otherwise although nothing is written, in no order.

    That is when a sale begins or ends, and when an entry is over for which a quota may leave more
    tickets than for the others.
    """
    edges = [get_end(event)]
    if event.get("quotas"):
        edges += [entry["overAt"] for entry in event["schedule"]]
    for each in list_visible_types(event["ticketTypes"], may_manage=False):
        edges += [each.get("salesFrom", EARLIEST), each.get("salesUntil", LATEST)]
    return [edge for edge in edges if EARLIEST < edge < LATEST]


def get_end(event: Event | SaleState | IndexedEvent) -> datetime:
    """Return when the last schedule entry is over.

    An event of an older version, which is not migrated yet, is over at the end of its last date.
    """
    ends = [each["overAt"] for each in event["schedule"] if "overAt" in each]
    return max(ends) if ends else event["lastDate"] + timedelta(days=1)


def find_bookable(event: Event | SaleState | LowTicketsEvent, now: datetime) -> list[int]:
    """Return the ids of the schedule entries that are not over.

    An event of an older version, which is not migrated yet, has none: it cannot be booked.
    """
    entries = [entry for entry in event["schedule"] if "overAt" in entry]
    return [entry["scheduleId"] for entry in entries if entry["overAt"] > now]


# What of the stock is left to the public.


def count_public(event: Event | SaleState, now: datetime) -> list[int]:
    """Return the most tickets of each type that anybody can book now for one schedule entry.

    The time of the sale is not considered.
    """
    types = event["ticketTypes"]
    if quotas := event.get("quotas"):
        left = count_left(types, find_bookable(event, now), quotas)
        return [max(counts) for counts in zip(*left.values(), strict=True)] or [0] * len(types)
    is_over = get_end(event) <= now
    return [0 if is_over else count_available(each) for each in types]


def is_sold_out(event: Event | SaleState, public: Iterable[int]) -> bool:
    """Return whether no ticket of a public type can be bought; `public` as `count_public`."""
    pairs = zip(event["ticketTypes"], public, strict=True)
    return not any(available for each, available in pairs if "visibility" not in each)


def find_offer_ends(event: IndexedEvent) -> list[datetime | None]:
    """Return for each ticket type until when anybody can book it, unless the stock changes.

    That is the end of the last schedule entry for which tickets are left; None if there is none.
    The time of the sale is not considered.
    """
    types = event["ticketTypes"]
    if quotas := event.get("quotas"):
        ends = {each["scheduleId"]: each["overAt"] for each in event["schedule"]}
        left = count_left(types, ends, quotas)
        return [
            max((end for id_, end in ends.items() if left[id_][index]), default=None)
            for index in range(len(types))
        ]
    end = get_end(event)
    return [end if count_available(each) else None for each in types]


def list_buyable_windows(event: IndexedEvent) -> list[tuple[datetime, datetime]]:
    """Return from when and until when each ticket type is on sale that has tickets to buy."""
    return [
        (each.get("salesFrom", EARLIEST), min(each.get("salesUntil", end), end))
        for each, end in zip(event["ticketTypes"], find_offer_ends(event), strict=True)
        if end
    ]


def find_empty_stocks(event: Event | SaleState | EventWrite | IndexedEvent) -> tuple[bool, ...]:
    """Return for each ticket type, and then for each quota, whether nothing of it can be bought."""
    types = [count_available(each) == 0 for each in event["ticketTypes"]]
    return (*types, *(count_available(each) == 0 for each in event.get("quotas", ())))
