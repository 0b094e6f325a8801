"""Routes of tickets for their holders, and of check-in."""

from eventapp.tickets.routes import check_in, tickets

BLUEPRINTS = (
    tickets.bp,
    check_in.bp,
)
