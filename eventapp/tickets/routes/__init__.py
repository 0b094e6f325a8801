"""Routes of tickets for their holders, of check-in, and of the list of attendees."""

from eventapp.tickets.routes import attendees, check_in, tickets

BLUEPRINTS = (
    tickets.bp,
    check_in.bp,
    attendees.bp,
)
