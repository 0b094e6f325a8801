"""Why someone can't wait."""

from eventapp.core.errors import Conflict, NotFound


class AlreadyWaitlisted(Conflict):
    code, message = "already_waitlisted", "You are on this waitlist already"


class TicketsAvailable(Conflict):
    """`available` tickets can be booked right now."""

    code, message = "tickets_available", "There are tickets: book them"


class NotOnWaitlist(NotFound):
    code, message = "not_on_waitlist", "You are not on this waitlist"
