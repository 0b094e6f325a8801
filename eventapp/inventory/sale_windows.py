"""Decide whether ticket types are on sale when they are asked for, and guard the takes by it."""

from collections.abc import Mapping
from datetime import datetime
from typing import cast

from eventapp.events.types import SaleState, TicketType
from eventapp.inventory.rules import Grants, index_types


def is_in_window(window: TicketType, moment: datetime) -> bool:
    """Return whether a ticket type is on sale at a moment, as far as its window says."""
    begins, ends = window.get("salesFrom"), window.get("salesUntil")
    return not (begins and begins > moment) and not (ends and ends <= moment)


def find_moments(event: SaleState, grants: Grants) -> dict[int, tuple[datetime, datetime]]:
    """Return the first and the last moment at which somebody asked for each granted ticket type.

    The types are named by their index in the event's array.
    """
    indexes, moments = index_types(event), dict[int, tuple[datetime, datetime]]()
    for request, allocation in grants:
        for type_id in {**allocation.taken, **allocation.waitlisted} if request.moment else ():
            moment = cast(datetime, request.moment)
            first, last = moments.get(indexes[type_id], (moment, moment))
            moments[indexes[type_id]] = min(first, moment), max(last, moment)
    return moments


def build_window_guards(moments: Mapping[int, tuple[datetime, datetime]]) -> dict[str, object]:
    """Return the guards that ticket types are on sale at all moments at which they were asked for.

    Args:
        moments: the first and the last one by the index of each type, by the database's clock.
    """
    guards: dict[str, object] = {}
    for index, (first, last) in moments.items():
        guards[f"ticketTypes.{index}.salesFrom"] = {"$not": {"$gt": first}}
        guards[f"ticketTypes.{index}.salesUntil"] = {"$not": {"$lte": last}}
    return guards
