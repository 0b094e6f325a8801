"""Announcements of organizers to the holders of bookings of their events."""
