"""Errors that say why tickets cannot be taken."""

from eventapp.core.errors import Conflict


class NotOnSale(Conflict):
    """The event is a draft, cancelled or past."""

    code, message = "event_not_on_sale", "Tickets of this event are not on sale"


class TypeNotOnSale(Conflict):
    """A ticket type is outside the time of its sale.

    The details `salesFrom` and `salesUntil` say when it is on sale; null is no bound.
    """

    code, message = "not_on_sale", "Tickets of this type are not on sale now"


class TicketLimit(Conflict):
    """The user asks for more tickets, or would get more, than the limits allow."""

    code = "ticket_limit_exceeded"
