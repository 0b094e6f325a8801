"""The HTTP routes of an event's chat."""
