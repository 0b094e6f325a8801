"""The HTTP routes of bookings."""
