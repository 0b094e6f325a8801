"""Errors that say why tickets cannot be taken."""

from eventapp.core.errors import Conflict, NotFound


class NotOnSale(Conflict):
    """The event is a draft, cancelled or past."""

    code, message = "event_not_on_sale", "Tickets of this event are not on sale"


class TypeNotOnSale(Conflict):
    """A ticket type is outside the time of its sale.

    The details `salesFrom` and `salesUntil` say when it is on sale; null is no bound.
    """

    code, message = "not_on_sale", "Tickets of this type are not on sale now"


class TicketMinimum(Conflict):
    """A booking or a waitlist entry has fewer tickets of a type than the type allows: `limit`."""

    code = "ticket_minimum"


class EventPast(Conflict):
    """The schedule entry is over."""

    code, message = "event_past", "This date is over"


class TicketLimit(Conflict):
    """The user asks for more tickets, or would get more, than `limit` allows."""

    code = "ticket_limit_exceeded"


class PromoNotFound(NotFound):
    """The event has no such promo code, or it is inactive, not yet or no longer valid.

    The error is the same for each reason, so that nobody learns which codes exist.
    """

    code, message = "promo_not_found", "This promo code is not valid"


class PromoExhausted(Conflict):
    """The promo code was used as often as it may be."""

    code, message = "promo_exhausted", "This promo code is used up"


class PromoNotApplicable(Conflict):
    """The promo code discounts none of the tickets."""

    code = "promo_not_applicable"
    message = "This promo code does not apply to these tickets"
