"""Sell tickets: read a purchase, take its tickets, store the booking, and answer each key once."""
