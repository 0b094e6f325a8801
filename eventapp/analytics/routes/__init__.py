"""The HTTP routes of figures."""
