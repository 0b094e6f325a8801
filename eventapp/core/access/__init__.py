"""Identify callers and limit their access: tokens, permissions, passwords, rate limits."""
