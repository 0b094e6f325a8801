"""Give each request an id, a log line and its Prometheus metrics."""

import re
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from random import getrandbits

import structlog
from flask import Flask, Response, g, request
from prometheus_client import Counter, Histogram

from eventapp.config import Config
from eventapp.core.log_writer import LogWriter
from eventapp.core.logging import redact_text
from eventapp.core.metrics import LATENCY, REQUESTS

# Clients may send any word as the method. Each label value takes memory until the process ends.
COUNTED_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
ID_HEADER = "X-Request-Id"
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
    g.request_id = choose_request_id(request.headers.get(ID_HEADER, ""))
    g.started = time.perf_counter()


def _finish(response: Response) -> Response:
    response.headers[ID_HEADER] = g.request_id
    seconds = time.perf_counter() - g.started
    route = request.url_rule.rule if request.url_rule else "unmatched"
    user = str(g.user_id) if g.get("user_id") else None
    record(g.request_id, user, request.method, route, response.status_code, seconds)
    return response


def choose_request_id(sent_id: str) -> str:
    """Return the id that the client has sent, or a random one if it has sent none or any text."""
    if sent_id and _ACCEPTED_ID.fullmatch(sent_id):
        return sent_id
    return f"{getrandbits(64):016x}"  # Nobody gains anything by guessing it.


def record(
    request_id: str, user: str | None, method: str, route: str, status: int, seconds: float
) -> None:
    """Count a request that is answered in the metrics, and write its line of the log.

    Args:
        user: the id of the user who sent it; None without a login.
        route: the rule of its route.
        seconds: how long it took.
    """
    counted_method = method if method in COUNTED_METHODS else "other"
    REQUESTS.labels(counted_method, route, status).inc()
    LATENCY.labels(counted_method, route).observe(seconds)
    log.info(
        "request",
        request_id=request_id,
        user=user,
        method=method,
        route=route,
        status=status,
        ms=round(seconds * 1000, 1),
    )


class EarlyRequestLog:
    """Records requests that Flask does not handle, as `record` does, in a fraction of the time.

    Their lines have the same text.
    """

    def __init__(self, config: Config, writer: LogWriter) -> None:
        """Write lines by `writer`, if the settings let the loggers write them."""
        self._writer = writer
        self._is_logged = config.log_level in ("debug", "info")
        self._make_line = _make_text_line if config.log_format == "text" else _make_json_line
        # A terminal gets colors.
        self._is_colored = config.log_format == "text" and sys.stderr.isatty()

    def record(
        self,
        request_id: str,
        user: str | None,
        method: str,
        route: str,
        status: int,
        seconds: float,
    ) -> None:
        """Count an answered request in the metrics, and write its line of the log.

        Args:
            method: one of COUNTED_METHODS.
        """
        if self._is_colored:
            record(request_id, user, method, route, status, seconds)
            return
        requests, latency = _find_metrics(method, route, status)
        requests.inc()
        latency.observe(seconds)
        if self._is_logged:
            now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
            ms = round(seconds * 1000, 1)
            shown_id = redact_text(request_id)
            self._writer.write(self._make_line(now, shown_id, user, method, route, status, ms))


@lru_cache(maxsize=64)
def _find_metrics(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    return REQUESTS.labels(method, route, status), LATENCY.labels(method, route)


def _make_text_line(
    now: str, request_id: str, user: str | None, method: str, route: str, status: int, ms: float
) -> str:
    return (
        f"{now} [info     ] request                        method={method} ms={ms} "
        f"request_id={request_id} route={route} status={status} user={user}\n"
    )


def _make_json_line(
    now: str, request_id: str, user: str | None, method: str, route: str, status: int, ms: float
) -> str:
    shown_user = f'"{user}"' if user else "null"
    return (
        f'{{"request_id": "{request_id}", "user": {shown_user}, "method": "{method}", '
        f'"route": "{route}", '
        f'"status": {status}, "ms": {ms}, "event": "request", "level": "info", '
        f'"timestamp": "{now}"}}\n'
    )
