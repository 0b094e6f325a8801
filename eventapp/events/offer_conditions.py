"""Make the MongoDB conditions of lists of events of which anybody can book a ticket."""

from datetime import datetime

from eventapp.core.database import Query
from eventapp.events.ticket_types import EARLIEST, LATEST, PUBLIC

# The condition that a ticket type is public.
IS_PUBLIC: Query = {"visibility": {"$exists": False}}
# The condition that every quota has places, and that nobody waits for them.
_NO_EMPTY_QUOTA: Query = {
    "quotas.availableTickets": {"$not": {"$lte": 0}},
    "quotas.waiting": {"$not": {"$gt": 0}},
}


def make_offer_condition(
    moment: datetime, low: float | None = None, high: float | None = None, *, in_window: bool
) -> Query:
    """Return the condition that a public type has tickets for an entry that is not over then.

    It is what `ticket_types.count_public` computes. Only events with an empty quota need the
    expression, which looks for a pair of a type and an entry that no empty quota matches.

    Args:
        low, high: the range of the type's price, both included; None is no bound.
        in_window: the type must be on sale at the moment.
    """
    return {
        "schedule.overAt": {"$gt": moment},
        "ticketTypes": {"$elemMatch": _make_type_condition(moment, low, high, in_window=in_window)},
        "$or": [
            _NO_EMPTY_QUOTA,
            {"$expr": _make_pair_expression(moment, low, high, in_window=in_window)},
        ],
    }


def make_range_condition(low: object, high: object) -> Query:
    """Return the condition that a value is in a range, both ends included; None is no bound."""
    bounds = {"$gte": low, "$lte": high}
    return {operator: value for operator, value in bounds.items() if value is not None}


def _make_type_condition(
    moment: datetime, low: float | None, high: float | None, *, in_window: bool
) -> Query:
    condition: Query = {**IS_PUBLIC, "availableTickets": {"$gt": 0}, "waiting": 0}
    if price := make_range_condition(low, high):
        condition["price"] = price
    if in_window:
        condition["salesFrom"] = {"$not": {"$gt": moment}}
        condition["salesUntil"] = {"$not": {"$lte": moment}}
    return condition


def _make_pair_expression(
    moment: datetime, low: float | None, high: float | None, *, in_window: bool
) -> Query:
    """Return the expression that a ticket type meets the condition, and an entry offers it."""
    conditions: list[Query] = [
        {"$eq": [{"$ifNull": ["$$type.visibility", PUBLIC]}, PUBLIC]},
        {"$gt": ["$$type.availableTickets", 0]},
        {"$eq": ["$$type.waiting", 0]},
        *(
            {operator: ["$$type.price", bound]}
            for operator, bound in make_range_condition(low, high).items()
        ),
    ]
    if in_window:
        begins = {"$ifNull": ["$$type.salesFrom", EARLIEST]}
        ends = {"$ifNull": ["$$type.salesUntil", LATEST]}
        conditions += [{"$lte": [begins, moment]}, {"$gt": [ends, moment]}]
    is_offered = {"$eq": [_count("$quotas", "quota", _make_block_expression()), 0]}
    is_bookable = {"$and": [{"$gt": ["$$entry.overAt", moment]}, is_offered]}
    conditions.append({"$gt": [_count("$schedule", "entry", is_bookable), 0]})
    return {"$gt": [_count("$ticketTypes", "type", {"$and": conditions}), 0]}


def _make_block_expression() -> Query:
    """Return the expression that a quota is empty, and matches a type and an entry."""
    type_ids = {"$ifNull": ["$$quota.ticketTypeIds", "$ticketTypes.ticketTypeId"]}
    schedule_ids = {"$ifNull": ["$$quota.scheduleIds", "$schedule.scheduleId"]}
    is_empty = [{"$lte": ["$$quota.availableTickets", 0]}, {"$gt": ["$$quota.waiting", 0]}]
    return {
        "$and": [
            {"$or": is_empty},
            {"$in": ["$$type.ticketTypeId", type_ids]},
            {"$in": ["$$entry.scheduleId", schedule_ids]},
        ]
    }


def _count(array: str, name: str, condition: Query) -> Query:
    """Return the expression that counts the elements that meet a condition, called by `name`."""
    elements = {"$ifNull": [array, []]}
    return {"$size": {"$filter": {"input": elements, "as": name, "cond": condition}}}
