"""Errors that say why a user cannot join or leave a waitlist."""

from eventapp.core.errors import Conflict, NotFound


class AlreadyWaitlisted(Conflict):
    """The user has an active entry for this ticket type and schedule entry."""

    code, message = "already_waitlisted", "You are on this waitlist already"


class TicketsAvailable(Conflict):
    """Tickets can be booked now: `available` is their number."""

    code, message = "tickets_available", "There are tickets: book them"


class NotOnWaitlist(NotFound):
    """The user has no active entry and no open offer for this event."""

    code, message = "not_on_waitlist", "You are not on this waitlist"
