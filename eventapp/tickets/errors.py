"""Errors of tickets."""

from eventapp.core.errors import Conflict, NotFound


class TicketNotFound(NotFound):
    """The code is forged, or the ticket belongs to another event or user.

    A booking that is not confirmed has no tickets, and a cancelled ticket is not one any more.
    """

    code, message = "ticket_not_found", "Ticket not found"


class NotCheckedIn(Conflict):
    """There is no check-in of the ticket to undo."""

    code, message = "not_checked_in", "This ticket is not checked in"


class ScanUndone(Conflict):
    """The check-in of the ticket was undone at `undoneAt`, after this offline scan."""

    code, message = "undone", "The check-in of this ticket was undone after the scan"


class AlreadyCheckedIn(Conflict):
    """The ticket was checked in at `checkedInAt`, by the device or API token `checkedInBy`."""

    code, message = "already_checked_in", "This ticket was checked in already"
