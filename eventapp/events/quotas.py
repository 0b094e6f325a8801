"""Rules of quotas: which tickets take a place of a quota, and how many places are left.

A quota matches ticket types and schedule entries. What it has sold and held is the sum of the cells
that it matches, so nothing else notes which quotas a booking takes places of.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import cast

from eventapp.events.bodies import QuotaView
from eventapp.events.stock_types import Cells, Quota
from eventapp.events.types import CapacityAndStock, PriceAndStock, Stock, TicketType

# The most quotas of an event, and the most ids in both lists of a quota together.
MAX_QUOTAS, MAX_IDS = 50, 366
# The stored fields that an answer shows, in its order.
VIEW_FIELDS = ("quotaId", "name", "capacity", "availableTickets", "ticketTypeIds", "scheduleIds")


def matches(quota: Quota, schedule_id: int, type_id: int) -> bool:
    """Return whether a ticket of this type and schedule entry takes a place of the quota.

    A quota by date does not match bookings without an entry, whose scheduleId is 0.
    """
    is_type_matched = "ticketTypeIds" not in quota or type_id in quota["ticketTypeIds"]
    return is_type_matched and ("scheduleIds" not in quota or schedule_id in quota["scheduleIds"])


def find_matching(quotas: Sequence[Quota], schedule_id: int, type_id: int) -> list[int]:
    """Return the indexes of the quotas that match a ticket type and a schedule entry."""
    return [index for index, each in enumerate(quotas) if matches(each, schedule_id, type_id)]


def count_taken(quota: Quota, cells: Cells) -> int:
    """Return the tickets in the cells that a quota matches: what it has sold and held."""
    return sum(
        sum(cast(Mapping[str, int], cell).values())
        for schedule_id, by_type in cells.items()
        for type_id, cell in by_type.items()
        if matches(quota, int(schedule_id), int(type_id))
    )


def recount_quota(quota: Quota, cells: Cells) -> Quota:
    """Return a quota with the places that the cells leave.

    If they have more tickets than it has places, `capacity` is raised.
    """
    taken = count_taken(quota, cells)
    capacity = max(quota["capacity"], taken)
    return {**quota, "capacity": capacity, "availableTickets": capacity - taken}


def count_left(
    types: Sequence[TicketType] | Sequence[PriceAndStock],
    schedule_ids: Iterable[int],
    quotas: Sequence[Quota],
) -> dict[int, list[int]]:
    """Return how many tickets of each type anybody can take for each of these schedule entries.

    Nothing is left of a stock while somebody waits for it.

    Returns:
        By scheduleId the tickets of each type, in the order of the types.
    """
    of_types = [count_available(each) for each in types]
    indexes = {each["ticketTypeId"]: index for index, each in enumerate(types)}

    def lower(all_tickets: Iterable[list[int]], quota: Quota) -> None:
        places = count_available(quota)
        matched = [indexes[each] for each in quota.get("ticketTypeIds", indexes) if each in indexes]
        for tickets in all_tickets:
            for index in matched:
                tickets[index] = min(tickets[index], places)

    # Most quotas match all entries, or leave more places than the types have tickets.
    for quota in quotas:
        if "scheduleIds" not in quota:
            lower([of_types], quota)
    left = {schedule_id: list(of_types) for schedule_id in schedule_ids}
    highest = max(of_types, default=0)
    for quota in quotas:
        if "scheduleIds" in quota and count_available(quota) < highest:
            lower([left[each] for each in quota["scheduleIds"] if each in left], quota)
    return left


def count_together(
    types: Sequence[CapacityAndStock], schedule_ids: Iterable[int], quotas: Sequence[Quota]
) -> int:
    """Return how many tickets can be bought together, at most, for one of these schedule entries.

    The types take the places of the quotas that they share in their order.
    """
    return max((_count_of_entry(types, each, quotas) for each in schedule_ids), default=0)


def _count_of_entry(
    types: Iterable[CapacityAndStock], schedule_id: int, quotas: Sequence[Quota]
) -> int:
    places, total = [count_available(quota) for quota in quotas], 0
    for each in types:
        matching = find_matching(quotas, schedule_id, each["ticketTypeId"])
        quantity = min([count_available(each), *(places[index] for index in matching)])
        for index in matching:
            places[index] -= quantity
        total += quantity
    return total


def count_available(stock: TicketType | Stock | Quota) -> int:
    """Return how many tickets anybody can take of one stock: of a ticket type, or of a quota.

    While somebody waits for them, they belong to the waitlist.
    """
    return 0 if stock.get("waiting") else stock["availableTickets"]


def remove_dropped(
    quotas: Iterable[Quota], type_ids: Collection[int], schedule_ids: Collection[int]
) -> list[Quota]:
    """Return the quotas without the ids of ticket types and schedule entries that an edit drops.

    A list that loses its last id becomes empty; the caller refuses that.

    Args:
        type_ids, schedule_ids: those that the event has after the edit.
    """
    kept: list[Quota] = []
    for quota in quotas:
        left: Quota = {**quota}
        if "ticketTypeIds" in quota:
            left["ticketTypeIds"] = [each for each in quota["ticketTypeIds"] if each in type_ids]
        if "scheduleIds" in quota:
            left["scheduleIds"] = [each for each in quota["scheduleIds"] if each in schedule_ids]
        kept.append(left)
    return kept


def has_empty_list(quota: Quota) -> bool:
    """Return whether a quota names ticket types or schedule entries, but none of them is left."""
    return [] in (quota.get("ticketTypeIds"), quota.get("scheduleIds"))


def present_quota(quota: Quota) -> QuotaView:
    """Return a quota as the organizer of its event sees it."""
    fields = cast(Mapping[str, object], quota)
    return cast(QuotaView, {name: fields[name] for name in VIEW_FIELDS if name in fields})
