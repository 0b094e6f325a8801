"""Rules of quotas: which tickets take a place of a quota, and how many places are taken.

A quota matches ticket types and schedule entries. What it has sold and held is the sum of the cells
that it matches, so a change of cells says how each quota changes, and nothing else notes it.
"""

from collections.abc import Mapping, Sequence
from typing import cast

from eventapp.events.types import Cells, Quota, SaleState
from eventapp.inventory.types import CellChanges, QuotaChanges


def get_quotas(event: SaleState) -> list[Quota]:
    """Return the quotas of an event."""
    return event.get("quotas", [])


def matches(quota: Quota, schedule_id: int, type_id: int) -> bool:
    """Return whether a ticket of this type and schedule entry takes a place of the quota.

    A quota by date does not match bookings without an entry, whose scheduleId is 0.
    """
    is_type_matched = "ticketTypeIds" not in quota or type_id in quota["ticketTypeIds"]
    return is_type_matched and ("scheduleIds" not in quota or schedule_id in quota["scheduleIds"])


def find_matching(quotas: Sequence[Quota], schedule_id: int, type_id: int) -> list[int]:
    """Return the indexes of the quotas that match a ticket type and a schedule entry."""
    return [index for index, each in enumerate(quotas) if matches(each, schedule_id, type_id)]


def compute_quota_changes(quotas: Sequence[Quota], cells: CellChanges) -> QuotaChanges:
    """Return what a change of cells adds to `availableTickets` of the quotas, without zeros."""
    changes: QuotaChanges = {}
    for (schedule_id, type_id), counters in cells.items():
        for index in find_matching(quotas, schedule_id, type_id):
            changes[index] = changes.get(index, 0) - sum(counters.values())
    return {index: change for index, change in changes.items() if change}


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
