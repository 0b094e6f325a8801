"""Receipts of paid bookings: numbered without gaps, never changed, as HTML and as PDF."""
