"""The Prometheus metrics. Each process counts for itself, and a report sums up all processes."""

import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
    multiprocess,
    values,
)
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample


class _ProcessId:
    """The id of this process. Unlike `os.getpid`, reading it needs no system call."""

    def __init__(self) -> None:
        self._read()
        os.register_at_fork(after_in_child=self._read)

    def _read(self) -> None:
        self.value = os.getpid()

    def get(self) -> int:
        return self.value


# With this variable, prometheus_client asks for the id whenever it counts. This comes before the
# first metric.
if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
    values.ValueClass = values.MultiProcessValue(_ProcessId().get)  # type: ignore[no-untyped-call]

REQUESTS = Counter("eventapp_requests_total", "Requests", ["method", "route", "status"])
LATENCY = Histogram("eventapp_request_seconds", "Request latency", ["method", "route"])
BOOKINGS = Counter("eventapp_bookings_total", "Booking requests", ["outcome"])
STOCK_CONFLICTS = Counter("eventapp_stock_conflicts_total", "Takes whose guard failed")
PAYMENT_ATTEMPTS = Counter(
    "eventapp_payment_attempts_total", "Attempts to charge that ended", ["outcome"]
)
REFUNDS = Counter("eventapp_refunds_total", "Attempts to pay a refund", ["outcome"])
SHARED_CACHE = Counter(
    "eventapp_shared_cache_total", "Reads of the cache at CACHE_URL", ["outcome"]
)
DROPPED_LOG_LINES = Counter(
    "eventapp_dropped_log_lines_total", "Lines of the log that were not written"
)


class GaugeValue(NamedTuple):
    """A number that is read when the metrics are rendered, and that no process keeps."""

    name: str
    description: str
    value: float


class _Gauges(Collector):
    def __init__(self, gauges: Iterable[GaugeValue]) -> None:
        self._gauges = list(gauges)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        for each in self._gauges:
            yield GaugeMetricFamily(each.name, each.description, each.value)


def render_metrics(gauges: Iterable[GaugeValue] = ()) -> bytes:
    """Return the metrics of all server processes, in the text format of Prometheus.

    Args:
        gauges: added to the metrics of the processes.
    """
    registry = CollectorRegistry()
    registry.register(_Gauges(gauges))
    return generate_latest(_make_registry()) + generate_latest(registry)


def iter_samples() -> Iterator[Sample]:
    """Yield every sample of the metrics of all server processes."""
    for metric in _make_registry().collect():
        yield from metric.samples


def _make_registry() -> CollectorRegistry:
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry
