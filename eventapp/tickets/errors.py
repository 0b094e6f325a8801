"""Why a ticket can't be shown or checked in."""

from eventapp.core.errors import Conflict, NotFound


class TicketNotFound(NotFound):
    """Forged, of another event, of a booking that is not confirmed (any more), or not yours."""

    code, message = "ticket_not_found", "Ticket not found"


class AlreadyCheckedIn(Conflict):
    """`checkedInAt` says when."""

    code, message = "already_checked_in", "This ticket was checked in already"
