"""Schemas of requests and answers about events, quotas, favorites and recommendations."""
