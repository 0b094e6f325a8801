"""Errors of tickets."""

from eventapp.core.errors import Conflict, NotFound


class TicketNotFound(NotFound):
    """The code is forged, or the ticket belongs to another event or user.

    Tickets of bookings that are not confirmed, or no longer, are not found either.
    """

    code, message = "ticket_not_found", "Ticket not found"


class AlreadyCheckedIn(Conflict):
    """The ticket was checked in at `checkedInAt`."""

    code, message = "already_checked_in", "This ticket was checked in already"
