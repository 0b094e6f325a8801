"""Schemas of requests and answers about events, favorites and recommendations."""
