"""Uploaded photos: re-encoded, stored in GridFS, and served under /images."""
