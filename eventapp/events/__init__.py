"""Events: created, edited, shown, listed and searched, and their popularity."""
