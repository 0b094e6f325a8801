"""The Prometheus metrics, counted in each process and reported for all of them together."""

import os
from collections.abc import Iterator

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
    multiprocess,
)
from prometheus_client.samples import Sample

REQUESTS = Counter("eventapp_requests_total", "Requests", ["method", "route", "status"])
LATENCY = Histogram("eventapp_request_seconds", "Request latency", ["method", "route"])
BOOKINGS = Counter("eventapp_bookings_total", "Booking requests", ["outcome"])
STOCK_CONFLICTS = Counter(
    "eventapp_stock_conflicts_total", "Stock moves that found fewer tickets than expected"
)
SHARED_CACHE = Counter(
    "eventapp_shared_cache_total", "Reads of the cache at CACHE_URL", ["outcome"]
)


def render_metrics() -> bytes:
    """Return all metrics of all server processes in the text format of Prometheus."""
    return generate_latest(_registry())


def iter_samples() -> Iterator[Sample]:
    """Yield the same metrics, one sample at a time."""
    for metric in _registry().collect():
        yield from metric.samples


def _registry() -> CollectorRegistry:
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry
