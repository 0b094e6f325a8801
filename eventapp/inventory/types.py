"""The domain types of the stock. The stored documents are described in `eventapp.events.types`."""

from collections.abc import Mapping
from typing import NamedTuple, NotRequired, TypeAlias, TypedDict

from eventapp.events.stock_types import Queues
from eventapp.events.types import ScheduleEntry

# Whole tickets by ticketTypeId.
Quantities: TypeAlias = dict[int, int]
# What to add to the counters of each ticket type: {ticketTypeId: {counter: change}}. The counters
# are availableTickets, heldTickets and soldTickets, and `waiting` of a queue.
StockChanges: TypeAlias = Mapping[int, Mapping[str, int]]
# The same by the index of the ticket type in the event's array `ticketTypes`, as updates need it,
# without `waiting`.
IndexedChanges: TypeAlias = dict[int, dict[str, int]]
# What to add to the cells of an event: {(scheduleId, ticketTypeId): {"sold" or "held": change}}.
CellChanges: TypeAlias = dict[tuple[int, int], dict[str, int]]
# What to add to `availableTickets` of quotas, by their index in the event's array `quotas`.
QuotaChanges: TypeAlias = dict[int, int]


class AwaitedSchedule(TypedDict):
    """What of an event says for which of its schedule entries somebody waits."""

    eventId: int
    schedule: list[ScheduleEntry]
    queues: NotRequired[Queues]


class QueueChange(NamedTuple):
    """What to add to the places of a queue."""

    number: int
    # The quota that counts the queue if it begins, or if `is_moved`; None for its ticket type.
    quota_id: int | None = None
    is_moved: bool = False  # True to count all places of the queue there from now on


# What to add to the queues of an event, by (scheduleId, ticketTypeId).
QueueChanges: TypeAlias = Mapping[tuple[int, int], QueueChange]


class QueueUpdate(NamedTuple):
    """What a change of queues adds to an update of the event."""

    increments: Mapping[str, int]
    fields: dict[str, object]  # to set
    removed: list[str]  # fields to unset
    guards: dict[str, object]


class OfferableQueue(NamedTuple):
    """A queue whose places can get tickets now, or must be closed."""

    schedule_id: int
    type_id: int
    # The tickets that all stocks have which a place needs. 0 if its schedule entry is over.
    available: int
    stocks: frozenset[str]  # the paths of these stocks in the event


class Limit(NamedTuple):
    """The stock that left a request with too few tickets of one ticket type."""

    type_id: int
    quota_id: int | None  # None for the stock of the ticket type itself


class WaitlistedPart(NamedTuple):
    """The part of a request that goes to the waitlist of one ticket type."""

    quantity: int
    # Orders the entries of the event for good; no number is given twice.
    sequence: int
    # Among those that wait for its ticket type and schedule entry. 1 is next. It falls as the
    # entries ahead leave.
    position: int
    quota_id: int | None = None  # the quota that counts the entry; None for its ticket type
