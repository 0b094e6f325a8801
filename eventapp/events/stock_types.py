"""Types of what an event stores of its stock besides the counters of its ticket types."""

from datetime import datetime
from typing import Literal, NotRequired, TypeAlias, TypedDict

from eventapp.events.promo_codes import CodeUse


class Cell(TypedDict, total=False):
    """The tickets of one ticket type for one schedule entry. An absent counter is 0."""

    sold: int  # tickets of confirmed bookings
    held: int  # tickets of bookings not yet confirmed, waitlist offers included


# The cells of an event by scheduleId, and by ticketTypeId below it, both as text. The scheduleId of
# bookings without one is 0. An absent cell is empty. The cells of a ticket type add up to its
# `soldTickets` and `heldTickets`.
Cells: TypeAlias = dict[str, dict[str, Cell]]


class Queue(TypedDict):
    """The active waitlist entries of one ticket type and schedule entry."""

    waiting: int  # how many there are
    # The quota in whose `waiting` they are counted, too; absent: in that of the ticket type. It has
    # no meaning while nobody waits.
    quotaId: NotRequired[int]


# The queues of an event by scheduleId, and by ticketTypeId below it, both as text. The scheduleId
# of waitlist entries without one is 0. An absent queue is empty.
Queues: TypeAlias = dict[str, dict[str, Queue]]


class Quota(TypedDict):
    """Places that ticket types, schedule entries or both share. A ticket takes one of each.

    Always capacity = availableTickets + the tickets in the cells that the quota matches.
    """

    quotaId: int  # from 1, unique within its event, never used again
    name: str  # 1 to 100 characters
    capacity: int  # places in all
    availableTickets: int  # places neither sold nor held; 0 or more
    waiting: int  # active waitlist entries of the queues that are counted here
    ticketTypeIds: NotRequired[list[int]]  # what it matches, at least one; absent matches all
    scheduleIds: NotRequired[list[int]]  # the same for schedule entries


class TakeEntry(CodeUse):
    """An in-flight entry: tickets were taken for a booking that may not be recorded yet."""

    kind: Literal["take"]
    items: list[list[int]]  # [ticketTypeId, quantity] of each ticket type
    held: bool  # True: the tickets were held; False: they were sold
    scheduleId: NotRequired[int]  # of the booked schedule entry; absent is 0
    by: NotRequired[str]  # the requester (see inventory.rules); absent for a waitlist offer
    at: datetime  # when they were taken
    leftQueue: NotRequired[list[list[int]]]  # [ticketTypeId, entries that stopped waiting]


class JoinEntry(TypedDict):
    """An in-flight entry of a join: `waiting` was raised for an entry that may not be recorded."""

    kind: Literal["enter"]
    type: int  # the ticketTypeId
    scheduleId: NotRequired[int]  # of the schedule entry that it waits for; absent is 0
    by: str  # the requester
    at: datetime  # when `waiting` was raised


class MoveEntry(TypedDict):
    """An in-flight entry: a stock move was applied that may not be recorded as applied yet."""

    kind: Literal["give", "confirm", "leave"]
    at: datetime  # when the move was applied


InFlightEntry: TypeAlias = TakeEntry | JoinEntry | MoveEntry
