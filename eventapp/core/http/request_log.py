"""Give each request an id, a log line and its Prometheus metrics."""

import re
import secrets
import time
from collections.abc import Mapping

import structlog
from flask import Flask, Response, g, request

from eventapp.core.metrics import LATENCY, REQUESTS

# Clients may send any word as the method. Each label value takes memory until the process ends.
COUNTED_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_ACCEPTED_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")

log = structlog.get_logger("request")


def init_app(app: Flask) -> None:
    """Install the hooks.

    A URL value preprocessor runs before every other hook. So a request that one of them refuses has
    an id and a log line, too.
    """
    app.url_value_preprocessor(_start)
    app.after_request(_finish)


def _start(_endpoint: str | None, _values: Mapping[str, object] | None) -> None:
    sent_id = request.headers.get("X-Request-Id", "")
    g.request_id = sent_id if _ACCEPTED_ID.fullmatch(sent_id) else secrets.token_hex(8)
    g.started = time.perf_counter()


def _finish(response: Response) -> Response:
    response.headers["X-Request-Id"] = g.request_id
    seconds = time.perf_counter() - g.started
    route = request.url_rule.rule if request.url_rule else "unmatched"
    method = request.method if request.method in COUNTED_METHODS else "other"
    REQUESTS.labels(method, route, response.status_code).inc()
    LATENCY.labels(method, route).observe(seconds)
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
