"""Compute what a purchase would cost now, without taking or reserving anything."""

from eventapp.bookings import rules
from eventapp.bookings.context import BookingContext
from eventapp.bookings.sales.purchases import read_items, resolve_item_list
from eventapp.bookings.types import Quote, QuoteInput
from eventapp.core.access.actor import Actor
from eventapp.events.service import EventNotFound, may_see


def quote(context: BookingContext, actor: Actor, event_id: int, body: QuoteInput) -> Quote:
    """Return the prices of tickets, at the current prices of the event.

    Whether the tickets can be bought is not checked.

    Raises:
        EventNotFound: there is no event that the caller may see.
        TicketTypeNotFound: the event has no such ticket type.
    """
    event = context.inventory.get_sale_state(event_id, fresh=True)
    if not may_see(event, actor):
        raise EventNotFound
    quantities = resolve_item_list(read_items(body["items"]), event)
    return rules.build_quote(rules.price_items(event, quantities), context.limits.currency)
