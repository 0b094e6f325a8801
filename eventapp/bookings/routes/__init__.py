"""Routes of bookings, offers, quotes and payments, and of events with their bookings."""

from eventapp.bookings.routes import (
    attendees,
    bookings,
    event_bookings,
    event_waitlists,
    links,
    offers,
    quotes,
    webhooks,
)

BLUEPRINTS = (
    offers.bp,
    bookings.bp,
    bookings.users_bp,
    links.bp,
    attendees.bp,
    event_bookings.bp,
    event_waitlists.bp,
    quotes.bp,
    webhooks.bp,
)
