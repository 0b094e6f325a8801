"""The HTTP routes of events."""
