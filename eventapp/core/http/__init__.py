"""Parse requests, render responses and errors, and document the API."""
