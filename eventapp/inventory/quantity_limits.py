"""Refuse purchases and waitlist entries that a ticket type's own limits forbid.

The limits of the server, for all ticket types of an event together, hold besides.
"""

from eventapp.events.types import SaleState, TicketType
from eventapp.inventory.errors import TicketLimit, TicketMinimum
from eventapp.inventory.types import Quantities


def refuse_quantities(event: SaleState, items: Quantities) -> None:
    """Refuse fewer or more tickets of a type than one booking may have, or one user.

    Args:
        items: the tickets that are asked for, by ticketTypeId.

    Raises:
        TicketMinimum, TicketLimit: with the `ticketTypeId` and the `limit`.
    """
    for each in event["ticketTypes"]:
        quantity, minimum = items.get(each["ticketTypeId"], 0), each.get("minPerBooking", 1)
        if 0 < quantity < minimum:
            raise TicketMinimum(
                f"At least {minimum} tickets of {each['type']!r} a booking",
                ticketTypeId=each["ticketTypeId"],
                limit=minimum,
            )
        maximum = each.get("maxPerBooking", quantity)
        if quantity > maximum:
            raise _make_ticket_limit(each, maximum, "a booking")
    refuse_quantities_of_user(event, items)


def refuse_quantities_of_user(event: SaleState, items: Quantities) -> None:
    """Refuse a user more tickets of a type than its `maxPerUser`.

    Args:
        items: the tickets that the user has and asks for together, by ticketTypeId.

    Raises:
        TicketLimit: with the `ticketTypeId` and the `limit`.
    """
    for each in event["ticketTypes"]:
        maximum = each.get("maxPerUser")
        if maximum is not None and items.get(each["ticketTypeId"], 0) > maximum:
            raise _make_ticket_limit(each, maximum, "a user")


def _make_ticket_limit(ticket_type: TicketType, limit: int, scope: str) -> TicketLimit:
    return TicketLimit(
        f"At most {limit} tickets of {ticket_type['type']!r} {scope}",
        ticketTypeId=ticket_type["ticketTypeId"],
        limit=limit,
    )
