"""Webhooks: what happens at an organizer's events is sent to a URL of the organizer."""
