"""Server-sent events: the hub of open streams and its limits."""
