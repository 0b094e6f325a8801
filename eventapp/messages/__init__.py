"""The chat of an event, and the live stream of an event's changes and messages."""
