"""What an operator sees of each request: a log line, a request id, Prometheus figures."""

import logging
import os
import re
import secrets
import sys
import time
from typing import Any

import structlog
from flask import Flask, Response, g, request
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
    multiprocess,
)

from eventapp.config import Config

_SANE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")

REQUESTS = Counter("eventapp_requests_total", "Requests", ["method", "route", "status"])
LATENCY = Histogram("eventapp_request_seconds", "Request latency", ["method", "route"])

log = structlog.get_logger("request")


def setup_logging(config: Config) -> None:
    """Lines to standard error, as text or JSON, from `LOG_LEVEL` up."""
    level = getattr(logging, config.log_level.upper())
    renderer: structlog.typing.Processor = structlog.processors.JSONRenderer()
    if config.log_format == "text":
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


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
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest()
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
