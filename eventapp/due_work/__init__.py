"""Processes due work item by item, and remembers the items that fail."""
