"""Routes of bookings, waitlist offers, and what organizers do with an event's bookings."""

from eventapp.bookings.routes import bookings, event_bookings, offers

BLUEPRINTS = (
    offers.bp,
    bookings.bp,
    bookings.users_bp,
    event_bookings.bp,
)
