"""Who waits for tickets, and in which order."""
