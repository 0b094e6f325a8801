"""Compute what changes the queues of an event, and the guards of joins.

A queue and the `waiting` of the stock that counts it change in the same update of the event. Its
guards are that the queue is counted where it was when the event was read and, if the queue begins,
that nobody has begun it since. So `waiting` of a stock always is the sum of the queues that it
counts (see `events.queues`).
"""

import sys
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from eventapp.core.database import Query
from eventapp.events.service import (
    PlacedQueue,
    choose_counting_quota,
    find_matching_quotas,
    find_misplaced,
    find_queue,
    list_queues,
)
from eventapp.events.types import SaleState
from eventapp.inventory import rules
from eventapp.inventory.quotas import get_quotas
from eventapp.inventory.sale_windows import is_in_window
from eventapp.inventory.types import (
    AwaitedSchedule,
    IndexedChanges,
    OfferableQueue,
    QueueChange,
    QueueChanges,
    QueueUpdate,
    QuotaChanges,
    StockChanges,
)


def compute_joins(grants: rules.Grants) -> QueueChanges:
    """Return the places that the grants add to queues."""
    joins: dict[tuple[int, int], QueueChange] = {}
    for request, allocation in grants:
        for type_id, part in allocation.waitlisted.items():
            pair = request.schedule_id, type_id
            number = joins[pair].number if pair in joins else 0
            joins[pair] = QueueChange(number + 1, part.quota_id)
    return joins


def sum_changes(
    event: SaleState, several: Iterable[tuple[int, StockChanges]]
) -> dict[tuple[int, int], QueueChange]:
    """Return what several changes of ticket types, each of one scheduleId, add to the queues.

    A queue that begins, because an offer is undone, is counted where its place lacks tickets.
    """
    numbers: Counter[tuple[int, int]] = Counter()
    for schedule_id, changes in several:
        for type_id, counters in changes.items():
            numbers[schedule_id, type_id] += counters.get("waiting", 0)
    types, quotas = rules.index_types(event), get_quotas(event)
    return {
        (schedule_id, type_id): QueueChange(
            number,
            choose_counting_quota(event["ticketTypes"][types[type_id]], quotas, schedule_id),
        )
        for (schedule_id, type_id), number in numbers.items()
        if number
    }


def build_update(event: SaleState, changes: QueueChanges) -> QueueUpdate:
    """Return what changes of queues add to an update of the event.

    The queues of an event that are not counted yet stay as they are; its types count all.
    """
    increments, update = Counter[str](), QueueUpdate({}, {}, [], {})
    for (schedule_id, type_id), change in changes.items():
        if "waitSequence" not in event:
            update.guards["waitSequence"] = None
            increments[f"{find_stock_path(event, type_id, None)}.waiting"] += change.number
            continue
        path = f"queues.{schedule_id}.{type_id}"
        queue = find_queue(event.get("queues", {}), schedule_id, type_id)
        update.guards.update(_build_queue_guards(path, queue, change))
        before = after = queue.quota_id if queue else change.quota_id
        if change.is_moved or not queue:
            after = change.quota_id
            if after is None:
                update.removed.append(f"{path}.quotaId")
            else:
                update.fields[f"{path}.quotaId"] = after
        moved = queue.waiting if queue and change.is_moved else 0
        increments[f"{path}.waiting"] += change.number
        increments[f"{find_stock_path(event, type_id, before)}.waiting"] -= moved
        increments[f"{find_stock_path(event, type_id, after)}.waiting"] += moved + change.number
    return update._replace(increments={path: n for path, n in increments.items() if n})


def _build_queue_guards(path: str, queue: PlacedQueue | None, change: QueueChange) -> Query:
    """Return the guards that a queue is as it was read, as far as the change depends on it."""
    if queue is None:
        return {f"{path}.waiting": {"$not": {"$gt": 0}}}
    waiting = queue.waiting if change.is_moved else {"$gte": 1}
    return {f"{path}.waiting": waiting, f"{path}.quotaId": queue.quota_id}


def find_stock_path(event: SaleState, type_id: int, quota_id: int | None) -> str:
    """Return the path of a ticket type, or of a quota, in the event."""
    if quota_id is None:
        ids = [each["ticketTypeId"] for each in event["ticketTypes"]]
        return f"ticketTypes.{ids.index(type_id)}"
    quota_ids = [each["quotaId"] for each in event.get("quotas", [])]
    return f"quotas.{quota_ids.index(quota_id)}"


def build_sale_guards(
    event: SaleState, changes: IndexedChanges, quotas: QuotaChanges, joins: QueueChanges
) -> Query:
    """Return the guards of the stocks that a sale takes tickets of, or that count its joins.

    Args:
        changes, quotas: what the sale takes from the types and the quotas.
        joins: the places that it adds to queues.
    """
    taken = {f"ticketTypes.{i}": -each["availableTickets"] for i, each in changes.items()}
    taken |= {f"quotas.{index}": -change for index, change in quotas.items()}
    counting = _find_counting_paths(event, joins)
    guards: Query = {"waitSequence": event.get("waitSequence")} if joins else {}
    for path in dict.fromkeys((*taken, *counting)):
        if path in counting:
            guards |= _build_counting_guards(event, path)
        else:
            guards |= _build_stock_guards(path, taken[path])
    return guards


def _find_counting_paths(event: SaleState, joins: QueueChanges) -> set[str]:
    """Return the paths of the stocks that count joins."""
    paths = set()
    for (schedule_id, type_id), join in joins.items():
        queue = find_queue(event.get("queues", {}), schedule_id, type_id)
        paths.add(find_stock_path(event, type_id, queue.quota_id if queue else join.quota_id))
    return paths


def _build_stock_guards(path: str, taken: int) -> Query:
    """Return the guards of a stock without a join: nobody waits, and there are enough tickets."""
    return {f"{path}.waiting": 0, f"{path}.availableTickets": {"$gte": taken}}


def _build_counting_guards(event: SaleState, path: str) -> Query:
    """Return the guards of a stock that counts a join.

    Somebody waits, or the available tickets are as read: the sale takes all, or they are few.
    """
    name, index = path.split(".")
    stocks = event["ticketTypes"] if name == "ticketTypes" else event["quotas"]
    stock = stocks[int(index)]
    if stock["waiting"]:
        return {f"{path}.waiting": {"$gte": 1}}
    return {f"{path}.waiting": 0, f"{path}.availableTickets": stock["availableTickets"]}


def build_waiting_guard(schedule_id: int, type_id: int) -> Query:
    """Return the guard that somebody waits in a queue."""
    return {f"queues.{schedule_id}.{type_id}.waiting": {"$gte": 1}}


def find_offerable(event: SaleState, now: datetime) -> list[OfferableQueue]:
    """Return the queues for which all stocks that they need have tickets, and those to close.

    Queues of types that are not on sale are left out. Those of schedule entries that are over are
    returned in any case, with no tickets.

    Args:
        now: the time by the database's clock.
    """
    entries = {each["scheduleId"] for each in event["schedule"]} - rules.find_over(event, now)
    types, quotas, offerable = rules.index_types(event), get_quotas(event), []
    for queue in list_queues(event.get("queues", {})):
        index = types[queue.type_id]
        ticket_type = event["ticketTypes"][index]
        matching = find_matching_quotas(quotas, queue.schedule_id, queue.type_id)
        places = (quotas[each]["availableTickets"] for each in matching)
        available = min(ticket_type["availableTickets"], *places, sys.maxsize)
        is_over = queue.schedule_id not in entries
        if is_over or available > 0 and is_in_window(ticket_type, now):
            stocks = {f"ticketTypes.{index}", *(f"quotas.{each}" for each in matching)}
            offerable.append(
                OfferableQueue(
                    queue.schedule_id,
                    queue.type_id,
                    0 if is_over else available,
                    frozenset(stocks),
                )
            )
    return offerable


def find_awaited_over(event: AwaitedSchedule, now: datetime) -> set[int]:
    """Return the ids of the schedule entries that are over and for which somebody waits."""
    awaited = {queue.schedule_id for queue in list_queues(event.get("queues", {}))}
    over = {each["scheduleId"] for each in event["schedule"] if each["overAt"] <= now}
    return awaited & over


class MoveOfQueues(NamedTuple):
    """Changes that count queues where they lack tickets, and the guards that they still do."""

    changes: QueueChanges
    guards: Query


def find_moves(event: SaleState, now: datetime) -> MoveOfQueues:
    """Return how to count each queue whose counting stock has tickets, while another has none.

    A queue of a type that is not on sale gets no offers. Its type counts it, so that it keeps
    nobody off the tickets of other types.

    Args:
        now: the time by the database's clock.
    """
    types = {each["ticketTypeId"]: each for each in event["ticketTypes"]}
    closed = {type_id for type_id, each in types.items() if not is_in_window(each, now)}
    stored = event.get("queues", {})
    changes = {
        (queue.schedule_id, queue.type_id): QueueChange(0, None, is_moved=True)
        for queue in list_queues(stored)
        if queue.type_id in closed and queue.quota_id is not None
    }
    lacking = dict[str, int]()
    for queue, quota_id in find_misplaced(stored, event["ticketTypes"], get_quotas(event)):
        if queue.type_id in closed:
            continue
        least = types[queue.type_id].get("minPerBooking", 1)
        changes[queue.schedule_id, queue.type_id] = QueueChange(0, quota_id, is_moved=True)
        path = f"{find_stock_path(event, queue.type_id, quota_id)}.availableTickets"
        # Queues of types with different minimums may be counted by one quota.
        lacking[path] = min(least, lacking.get(path, least))
    return MoveOfQueues(changes, {path: {"$lt": least} for path, least in lacking.items()})
