"""Waitlists: users wait for tickets of a type, first come, first served."""
