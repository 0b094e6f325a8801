"""What an operator sees of each request: a log line, a request id, Prometheus figures."""

import re
import secrets
import time
from typing import Any

import structlog
from flask import Flask, Response, g, request

from eventapp.core.metrics import LATENCY, REQUESTS

_SANE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")

log = structlog.get_logger("request")


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
