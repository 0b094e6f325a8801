"""Bookings: make, hold, confirm, cancel and refund them; offer tickets to the waitlist; recover."""
