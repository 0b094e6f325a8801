"""Clients that are generated from the OpenAPI document, and that call a real server."""
