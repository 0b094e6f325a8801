"""Errors of tickets."""

from eventapp.core.errors import Conflict, NotFound


class TicketNotFound(NotFound):
    """The code is forged, or the ticket belongs to another event or user.

    A booking that is not confirmed has no tickets, and a cancelled ticket is not one any more.
    """

    code, message = "ticket_not_found", "Ticket not found"


class AlreadyCheckedIn(Conflict):
    """The ticket was checked in at `checkedInAt`."""

    code, message = "already_checked_in", "This ticket was checked in already"
