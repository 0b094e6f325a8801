"""The in-memory index of listed events."""
