"""Rate limits by tier: how many calls a user, or else an address, may make in a window.

Reads may have RATE_LIMIT_MAX_REQUESTS, writes a fifth of it, signing up and in a twentieth;
streams, that begin again where a line is cut, twice as many.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog
from flask import Flask, Response, current_app, g, request

from eventapp.config import Config
from eventapp.core.access.addresses import client_network
from eventapp.core.access.permissions import current_claims
from eventapp.core.access.rate_limit_counters import Counts
from eventapp.core.errors import TooManyRequests, Unauthorized

READS, WRITES, SIGN_IN, STREAMS = "reads", "writes", "sign-in", "streams"
READING_METHODS = frozenset(("GET", "HEAD"))
EXEMPT_PATHS = ("/healthz", "/api/healthz", "/readyz", "/metrics", "/images/", "/api/docs")
MEMORY = "memory://"

log = structlog.get_logger()
View = TypeVar("View", bound=Callable[..., Any])


def sign_in_rate_limit(view: View) -> View:
    """A route that makes or opens accounts: few a window, counted by address."""
    return _set_tier(view, SIGN_IN)


def read_rate_limit(view: View) -> View:
    """A route that only reads, though it is a POST."""
    return _set_tier(view, READS)


def stream_rate_limit(view: View) -> View:
    """A route that begins a stream; how many may be open is core.stream_seats's."""
    return _set_tier(view, STREAMS)


def _set_tier(view: View, tier: str) -> View:
    view.rate_tier = tier  # type: ignore[attr-defined]
    return view


def amounts(most: int) -> dict[str, int]:
    """Calls a window by tier: fractions of `most`, yet enough for a person and a phone."""
    return {
        READS: most,
        WRITES: min(most, max(30, most // 5)),
        SIGN_IN: min(most, max(10, most // 20)),
        STREAMS: 2 * most,
    }


@dataclass(frozen=True)
class Standing:
    """Where a caller stands after a call."""

    allowed: int
    remaining: int  # below 0 when this call is one too many
    seconds: int  # until the window ends


class Limits:
    """The limits of one application; windows begin at whole multiples of themselves."""

    def __init__(self, config: Config) -> None:
        self._amounts = amounts(config.rate_limit_max_requests)
        self._window = config.rate_limit_window_ms / 1000
        self._counts = Counts(config.rate_limit_storage_uri or MEMORY)

    def count(self, tier: str, caller: str, now: float) -> Standing:
        """Count a call; `now` is Unix time, the same for all processes."""
        number, into = divmod(now, self._window)
        seconds = math.ceil(self._window - into)
        calls = self._counts.add(f"{tier}/{caller}/{int(number)}", seconds)
        allowed = self._amounts[tier]
        return Standing(allowed, allowed - calls, seconds)


def init_app(app: Flask, config: Config) -> None:
    """Limit every route but health, metrics, documents and photos; nothing where switched off.

    Raises:
        ConfigError: RATE_LIMIT_STORAGE_URI names a storage whose package is not installed.
    """
    if not config.rate_limit_enabled:
        return
    app.extensions["limits"] = Limits(config)
    app.before_request(_count)
    app.after_request(_tell)
    if config.web_concurrency > 1 and (config.rate_limit_storage_uri or MEMORY) == MEMORY:
        log.warning("each process counts rate limits for itself: set RATE_LIMIT_STORAGE_URI")


def _count() -> None:
    if request.method == "OPTIONS" or request.path.startswith(EXEMPT_PATHS):
        return
    tier = _tier()
    caller = client_address_key() if tier == SIGN_IN else _caller()
    limits: Limits = current_app.extensions["limits"]
    g.standing = standing = limits.count(tier, caller, time.time())
    if standing.remaining < 0:
        raise TooManyRequests(retry_after=standing.seconds)


def _tier() -> str:
    view = current_app.view_functions.get(request.endpoint or "")
    by_method = READS if request.method in READING_METHODS else WRITES
    return getattr(view, "rate_tier", by_method)


def _caller() -> str:
    """The signed-in user, so that people behind one address don't share; else the address."""
    try:
        claims = current_claims()
    except Unauthorized:  # the route will say so, if it needs a token
        claims = {}
    return f"user:{claims['sub']}" if claims else client_address_key()


def client_address_key() -> str:
    """What an address is counted by, as TRUSTED_PROXIES has it told."""
    return f"address:{client_network(request.remote_addr or '')}"


def _tell(response: Response) -> Response:
    standing: Standing | None = g.get("standing")
    if standing:
        response.headers["RateLimit-Limit"] = str(standing.allowed)
        response.headers["RateLimit-Remaining"] = str(max(0, standing.remaining))
        response.headers["RateLimit-Reset"] = str(standing.seconds)
    return response
