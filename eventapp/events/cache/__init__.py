"""The cache of rendered events and lists, and how it stays fresh across processes."""
