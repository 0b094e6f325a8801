"""Identify callers and limit what they may do: tokens, roles, passwords, rate limits."""
