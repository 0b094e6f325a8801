"""Compute what a change of the cells of an event adds to its quotas."""

from collections.abc import Sequence

from eventapp.events.service import find_matching_quotas
from eventapp.events.stock_types import Quota
from eventapp.events.types import SaleState
from eventapp.inventory.types import CellChanges, QuotaChanges


def get_quotas(event: SaleState) -> list[Quota]:
    """Return the quotas of an event."""
    return event.get("quotas", [])


def compute_quota_changes(quotas: Sequence[Quota], cells: CellChanges) -> QuotaChanges:
    """Return what a change of cells adds to `availableTickets` of the quotas, without zeros."""
    changes: QuotaChanges = {}
    for (schedule_id, type_id), counters in cells.items():
        for index in find_matching_quotas(quotas, schedule_id, type_id):
            changes[index] = changes.get(index, 0) - sum(counters.values())
    return {index: change for index, change in changes.items() if change}
