"""The chat of an event, and the streams of what happens to it."""
