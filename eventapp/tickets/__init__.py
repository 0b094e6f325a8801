"""Tickets at the door: codes, QR codes, calendar entries, check-in."""
