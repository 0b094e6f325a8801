"""Bookings: made, held, confirmed, cancelled and refunded; offers to the waitlist; recovery."""
