"""Rules of the queues of an event: which stock counts the waiting places of each.

A queue consists of the active waitlist entries of one ticket type and schedule entry. All of them
need the same stocks, so one stock counts them all, in its `waiting`: one that has too few tickets
for them. While `waiting` of a stock is not 0, the public gets no tickets of it. Which stock counts
a queue is stored in the queue alone, so that it changes in one write of the event: waitlist entries
and in-flight entries note the ticket type and the schedule entry only.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from eventapp.events.quotas import find_matching
from eventapp.events.stock_types import Queue, Queues, Quota
from eventapp.events.types import CountedStock, Event, EventPatch, TicketType


class PlacedQueue(NamedTuple):
    """A queue in which somebody waits."""

    schedule_id: int
    type_id: int
    waiting: int  # places
    quota_id: int | None  # the quota that counts them; None for the ticket type


def list_queues(queues: Queues) -> list[PlacedQueue]:
    """Return the queues in which somebody waits."""
    return list(_iterate(queues))


def _iterate(queues: Queues) -> Iterator[PlacedQueue]:
    for schedule_id, by_type in queues.items():
        for type_id, queue in by_type.items():
            if queue["waiting"] > 0:
                quota_id = queue.get("quotaId")
                yield PlacedQueue(int(schedule_id), int(type_id), queue["waiting"], quota_id)


def find_queue(queues: Queues, schedule_id: int, type_id: int) -> PlacedQueue | None:
    """Return a queue; None if nobody waits in it."""
    queue = queues.get(str(schedule_id), {}).get(str(type_id))
    if not queue or queue["waiting"] <= 0:
        return None
    return PlacedQueue(schedule_id, type_id, queue["waiting"], queue.get("quotaId"))


def build_queues(placed: Sequence[PlacedQueue]) -> Queues:
    """Return the queues as an event stores them."""
    queues: Queues = {}
    for each in placed:
        queue: Queue = {"waiting": each.waiting}
        if each.quota_id is not None:
            queue["quotaId"] = each.quota_id
        queues.setdefault(str(each.schedule_id), {})[str(each.type_id)] = queue
    return queues


def choose_counting_quota(
    ticket_type: TicketType, quotas: Sequence[Quota], schedule_id: int
) -> int | None:
    """Return the first quota that has too few tickets for a place of this type and entry.

    Too few are fewer than a booking of the type must have.

    Returns:
        None if the ticket type has too few itself, and if every stock has enough. Then the type
        counts the place.
    """
    least = ticket_type.get("minPerBooking", 1)
    if ticket_type["availableTickets"] < least:
        return None
    matching = find_matching(quotas, schedule_id, ticket_type["ticketTypeId"])
    lacking = (quotas[i]["quotaId"] for i in matching if quotas[i]["availableTickets"] < least)
    return next(lacking, None)


def find_misplaced(
    queues: Queues, ticket_types: Sequence[TicketType], quotas: Sequence[Quota]
) -> list[tuple[PlacedQueue, int | None]]:
    """Return the queues that another stock must count, each with the quota, or None for its type.

    Those are the queues whose counting stock has enough tickets while another that they need has
    too few, and those whose counting quota is gone or does not match them any more.
    """
    types = {each["ticketTypeId"]: each for each in ticket_types}
    misplaced = []
    for queue in _iterate(queues):
        ticket_type = types[queue.type_id]
        least = ticket_type.get("minPerBooking", 1)
        left = _count_left(queue, ticket_type, quotas)
        chosen = choose_counting_quota(ticket_type, quotas, queue.schedule_id)
        is_lacking = chosen is not None or ticket_type["availableTickets"] < least
        if chosen != queue.quota_id and (left is None or left >= least and is_lacking):
            misplaced.append((queue, chosen))
    return misplaced


def _count_left(queue: PlacedQueue, ticket_type: TicketType, quotas: Sequence[Quota]) -> int | None:
    """Return what the stock that counts a queue has left; None if it does not match the queue."""
    if queue.quota_id is None:
        return ticket_type["availableTickets"]
    matching = find_matching(quotas, queue.schedule_id, queue.type_id)
    left = {quotas[index]["quotaId"]: quotas[index]["availableTickets"] for index in matching}
    return left.get(queue.quota_id)


def recount(
    queues: Queues, ticket_types: Sequence[TicketType], quotas: Sequence[Quota]
) -> CountedStock:
    """Count each misplaced queue where `find_misplaced` says, and the places of every stock."""
    moved = {each[0]: each[1] for each in find_misplaced(queues, ticket_types, quotas)}
    placed = [
        each._replace(quota_id=moved[each]) if each in moved else each for each in _iterate(queues)
    ]
    by_type, by_quota = count_waiting(placed)
    return CountedStock(
        build_queues(placed),
        [{**each, "waiting": by_type.get(each["ticketTypeId"], 0)} for each in ticket_types],
        [{**each, "waiting": by_quota.get(each["quotaId"], 0)} for each in quotas],
    )


def recount_edited(event: Event, patch: EventPatch) -> EventPatch:
    """Return the queues and stocks of an edited event, each queue counted as `recount` does.

    Empty queues are removed, so that those of dropped ticket types and entries do not pile up.

    Args:
        event: the event before the edit.
        patch: the fields that the edit sets.
    """
    if not list_queues(event.get("queues", {})):
        return {"queues": {}} if event.get("queues") else {}
    types = patch.get("ticketTypes", event["ticketTypes"])
    quotas = patch.get("quotas", event.get("quotas", []))
    counted = recount(event.get("queues", {}), types, quotas)
    fields: EventPatch = {"queues": counted.queues, "ticketTypes": counted.ticket_types}
    return {**fields, "quotas": counted.quotas} if quotas else fields


def count_waiting_for(event: Event, ticket_type: TicketType) -> int:
    """Return the places of all queues of a ticket type, whatever stock counts them."""
    if "waitSequence" not in event:  # The queues are not counted yet: the type counts all.
        return ticket_type["waiting"]
    placed = list_queues(event.get("queues", {}))
    return sum(queue.waiting for queue in placed if queue.type_id == ticket_type["ticketTypeId"])


def find_waited_type_ids(event: Event) -> set[int]:
    """Return the ids of the ticket types that somebody waits for, wherever that is counted."""
    return {queue.type_id for queue in list_queues(event.get("queues", {}))}


def count_waiting(placed: Sequence[PlacedQueue]) -> tuple[Mapping[int, int], Mapping[int, int]]:
    """Return the places that each type counts, by ticketTypeId, and each quota, by quotaId."""
    by_type, by_quota = Counter[int](), Counter[int]()
    for each in placed:
        if each.quota_id is None:
            by_type[each.type_id] += each.waiting
        else:
            by_quota[each.quota_id] += each.waiting
    return by_type, by_quota
