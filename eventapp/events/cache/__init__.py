"""Rendered events and lists, kept fresh across processes."""
