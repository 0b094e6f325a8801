"""The HTTP routes of notifications."""
