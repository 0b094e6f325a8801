"""Compute what a purchase would cost now, without taking or reserving anything."""

from datetime import datetime

from eventapp.bookings import rules
from eventapp.bookings.bodies import Quote, QuoteInput
from eventapp.bookings.context import BookingContext
from eventapp.bookings.sales.purchases import read_items, require_code_key, resolve_item_list
from eventapp.core.access.actor import Actor
from eventapp.events.service import EventNotFound, may_see, present_unlocked
from eventapp.inventory.entry_choice import choose_schedule_entry
from eventapp.inventory.nameable_types import find_unlocked
from eventapp.inventory.service import PromoCodeUses, compute_discounts, make_promo_error


def quote(
    context: BookingContext, actor: Actor, event_id: int, body: QuoteInput, now: datetime
) -> Quote:
    """Return the prices of tickets, at the current prices of the event and with a promo code.

    Whether the tickets can be bought is not checked. The ticket types that the code unlocks are
    shown; so a buyer who knows the code learns of them, also without naming a ticket.

    Raises:
        EventNotFound: there is no event that the caller may see.
        TicketTypeNotFound: the event has no such ticket type.
        ValidationFailed, EventPast: the event has no such schedule entry, or it is over.
        PromoNotFound, PromoNotApplicable, PromoExhausted: the code cannot be used now.
    """
    inventory = context.inventory
    event = inventory.get_sale_state(event_id, fresh=True)
    if not may_see(event, actor):
        raise EventNotFound
    discounts: dict[int, int] = {}
    moment = inventory.correct_clock(now)
    if key := require_code_key(body.get("promoCode")):
        event = inventory.read_with_promo_code(event_id, key)
    unlocked = find_unlocked(event, key, moment)
    if "scheduleId" in body:
        choose_schedule_entry(event, now, schedule_id=body["scheduleId"])
    quantities = resolve_item_list(read_items(body["items"]), event, unlocked)
    if key:
        named = quantities or [each["ticketTypeId"] for each in event["ticketTypes"]]
        if refusal := PromoCodeUses(event).judge(key, named, moment):
            raise make_promo_error(refusal)
        discounts = compute_discounts(event["promoCodes"][key], event["ticketTypes"])
    items = rules.price_items(event, quantities, discounts)
    built = rules.build_quote(items, context.limits.currency)
    if shown := present_unlocked(event, unlocked, body.get("scheduleId"), moment):
        built["unlockedTypes"] = shown
    return built
