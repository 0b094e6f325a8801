"""Errors that say why tickets cannot be taken."""

from eventapp.core.errors import AppError, Conflict


class NotOnSale(Conflict):
    """The event is a draft, cancelled or past."""

    code, message = "event_not_on_sale", "Tickets of this event are not on sale"


class TicketLimit(Conflict):
    """The user asks for more tickets, or would get more, than the limits allow."""

    code = "ticket_limit_exceeded"


class EventBusy(AppError):
    """Other writes changed the event during each of many attempts; nothing was written."""

    status, code = 503, "event_busy"
    message = "Too many are changing this event at once; try again"

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "1"})
