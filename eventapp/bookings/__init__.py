"""Bookings: from the request to the refund."""
