"""Routes of bookings, of waitlist offers, and of events with their bookings."""

from eventapp.bookings.routes import bookings, event_bookings, offers

BLUEPRINTS = (
    offers.bp,
    bookings.bp,
    bookings.users_bp,
    event_bookings.bp,
)
