"""What an operator sees of each request: a log line, a request id, Prometheus figures."""

import os
import re
import secrets
import time
from collections.abc import Iterator
from typing import Any

import structlog
from flask import Flask, Response, g, request
from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
    multiprocess,
)
from prometheus_client.samples import Sample

from eventapp.config import Config
from eventapp.core import logs

_SANE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")

REQUESTS = Counter("eventapp_requests_total", "Requests", ["method", "route", "status"])
LATENCY = Histogram("eventapp_request_seconds", "Request latency", ["method", "route"])
BOOKINGS = Counter("eventapp_bookings_total", "Booking requests", ["outcome"])
STOCK_CONFLICTS = Counter("eventapp_stock_conflicts_total", "Takes that found less than expected")
SHARED_CACHE = Counter("eventapp_shared_cache_total", "Looks into CACHE_URL", ["outcome"])

log = structlog.get_logger("request")


def setup_logging(config: Config) -> None:
    """Lines to standard error, as text or JSON, from `LOG_LEVEL` up."""
    logs.setup(config)


def init_app(app: Flask) -> None:
    # Before anything that may refuse the request, so that every refusal has its id and its line.
    app.url_value_preprocessor(_begin)
    app.after_request(_finish)


def _begin(_endpoint: str | None, _values: dict[str, Any] | None) -> None:
    given = request.headers.get("X-Request-Id", "")
    g.request_id = given if _SANE_ID.fullmatch(given) else secrets.token_hex(8)
    g.began = time.perf_counter()


def _finish(response: Response) -> Response:
    response.headers["X-Request-Id"] = g.request_id
    seconds = time.perf_counter() - g.began
    route = request.url_rule.rule if request.url_rule else "unmatched"
    REQUESTS.labels(request.method, route, response.status_code).inc()
    LATENCY.labels(request.method, route).observe(seconds)
    log.info(
        "request",
        request_id=g.request_id,
        user=str(g.user_id) if g.get("user_id") else None,
        method=request.method,
        route=route,
        status=response.status_code,
        ms=round(seconds * 1000, 1),
    )
    return response


def metrics_text() -> bytes:
    """All figures in Prometheus' text format, of every server process where there are several."""
    return generate_latest(_registry())


def samples() -> Iterator[Sample]:
    """The same figures, one by one."""
    for metric in _registry().collect():
        yield from metric.samples


def _registry() -> CollectorRegistry:
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry
