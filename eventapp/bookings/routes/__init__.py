"""Routes of bookings, waitlist offers and quotes, and of events with their bookings."""

from eventapp.bookings.routes import bookings, event_bookings, offers, quotes

BLUEPRINTS = (
    offers.bp,
    bookings.bp,
    bookings.users_bp,
    event_bookings.bp,
    quotes.bp,
)
