"""Server-sent events: the hub of open streams, its limits, and the HTTP response."""
