"""Tickets of confirmed bookings: signed codes, QR codes, calendar entries and check-in."""
