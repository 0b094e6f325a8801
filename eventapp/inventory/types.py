"""The domain types of the stock. The stored documents are described in `eventapp.events.types`."""

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

# Whole tickets by ticketTypeId.
Quantities: TypeAlias = dict[int, int]
# What to add to the counters of each ticket type: {ticketTypeId: {counter: change}}. The counters
# are availableTickets, heldTickets, soldTickets, waiting and waitSequence.
StockChanges: TypeAlias = Mapping[int, Mapping[str, int]]
# The same by the index of the ticket type in the event's array `ticketTypes`, as updates need it.
IndexedChanges: TypeAlias = dict[int, dict[str, int]]
# What to add to the cells of an event: {(scheduleId, ticketTypeId): {"sold" or "held": change}}.
CellChanges: TypeAlias = dict[tuple[int, int], dict[str, int]]
# What to add to `availableTickets` of quotas, by their index in the event's array `quotas`.
QuotaChanges: TypeAlias = dict[int, int]


class Limit(NamedTuple):
    """The stock that left a request with too few tickets of one ticket type."""

    type_id: int
    quota_id: int | None  # None for the stock of the ticket type itself


class WaitlistedPart(NamedTuple):
    """The part of a request that goes to the waitlist of one ticket type."""

    quantity: int
    # Orders the entries of the ticket type for good; no number is given twice.
    sequence: int
    # 1 is next. It falls as the entries ahead leave.
    position: int
