"""Limit how many requests each caller may make in a fixed time window.

A caller is a logged-in user, a door device, a booking whose link is used, or a network address.
Each request counts towards a scope, which its method decides unless a decorator of this module is
on its route. Refused guesses of a secret, such as a promo code, count towards one more, and those
of API tokens towards another.
RATE_LIMIT_MAX_REQUESTS is the limit of reads; `derive_limits` derives the others from it.
`rate_limit_storage` keeps the counters, in the storage that RATE_LIMIT_STORAGE_URI names.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Any, TypeVar

import structlog
from bson import ObjectId
from flask import Flask, Response, current_app, g, request

from eventapp.config import Config
from eventapp.core.access.permissions import (
    current_api_token,
    current_claims,
    current_link,
    has_api_token,
)
from eventapp.core.access.rate_limit_storage import FallbackStorage
from eventapp.core.app_key import AppKey
from eventapp.core.errors import AppError, TooManyRequests, Unauthorized

# The scopes. Their values are parts of the keys of stored counters.
READS, WRITES, LOGINS, STREAMS = "reads", "writes", "sign-in", "streams"
GUESSES, TOKEN_GUESSES = "guesses", "token-guesses"
CHECK_INS = "check-ins"
# A door lets people in one by one, for hours: a window of 15 minutes would stop it for minutes.
MAX_CHECK_INS, CHECK_IN_WINDOW_SECONDS = 60, 60.0
# The scope of routes whose requests are not counted.
UNLIMITED = "unlimited"
READING_METHODS = frozenset(("GET", "HEAD"))
EXEMPT_PATHS = ("/healthz", "/api/healthz", "/readyz", "/metrics", "/images/", "/api/docs")
MEMORY = "memory://"
IPV6_PREFIX, MAX_ADDRESS_LENGTH = 64, 64
ADDRESS_PREFIX, USER_PREFIX = "address:", "user:"
# The key in a WSGI environment of the WindowStats of a request that is counted already.
COUNTED_KEY = "eventapp.window_stats"

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

log = structlog.get_logger()
View = TypeVar("View", bound=Callable[..., Any])


def login_rate_limit(view: View) -> View:
    """Limit a route that registers, logs in or checks a password. It is counted by address."""
    return _set_scope(view, LOGINS)


def read_rate_limit(view: View) -> View:
    """Limit a POST route as a read, because it changes nothing."""
    return _set_scope(view, READS)


def no_rate_limit(view: View) -> View:
    """Count no request of a route, because one address sends those of many callers.

    Use `count_refusals` for those that it refuses.
    """
    return _set_scope(view, UNLIMITED)


def check_in_rate_limit(view: View) -> View:
    """Limit a route that checks tickets in, by a limit and a window of its own."""
    return _set_scope(view, CHECK_INS)


def stream_rate_limit(view: View) -> View:
    """Limit how often a stream is opened.

    The number of open streams is limited by core.streams.connection_limits.
    """
    return _set_scope(view, STREAMS)


@contextmanager
def limit_guesses(refusals: tuple[type[AppError], ...]) -> Iterator[None]:
    """Count the refusals of the block by address, because they may be guesses of a secret.

    They have a scope of their own, as strict as that of logins. So whoever mistypes a promo code
    keeps nobody behind the same address from logging in.

    Args:
        refusals: the errors of the block that are counted; none if there is nothing to guess.

    Raises:
        TooManyRequests: the address has as many refusals as are allowed. The block is not run.
    """
    if not refusals or "rate_limiter" not in g:  # The settings disable rate limits.
        yield
        return
    limiter, caller_key = g.rate_limiter, get_client_address_key()
    stats = limiter.look_up(GUESSES, caller_key, time.time())
    if stats.remaining <= 0:
        raise TooManyRequests(retry_after=stats.reset_seconds)
    try:
        yield
    except refusals:
        limiter.hit(GUESSES, caller_key, time.time())
        raise


@contextmanager
def count_refusals(refusals: tuple[type[AppError], ...]) -> Iterator[None]:
    """Count the refusals of the block by address in the scope of guesses, but always run the block.

    What the block accepts is never limited, also if others send wrong requests from its address.

    Args:
        refusals: the errors of the block that are counted.

    Raises:
        TooManyRequests: in place of a refusal, if the address has had as many as are allowed.
    """
    try:
        yield
    except refusals:
        if "rate_limiter" not in g:  # The settings disable rate limits.
            raise
        stats = g.rate_limiter.hit(GUESSES, get_client_address_key(), time.time())
        if stats.remaining >= 0:
            raise
        raise TooManyRequests(retry_after=stats.reset_seconds) from None


def is_stream_view(view: Callable[..., Any]) -> bool:
    """Return whether `stream_rate_limit` is on a route, as on every route that opens a stream."""
    return getattr(view, "rate_limit_scope", None) == STREAMS


def _set_scope(view: View, scope: str) -> View:
    view.rate_limit_scope = scope  # type: ignore[attr-defined]
    return view


def derive_limits(max_requests: int) -> dict[str, int]:
    """Return how many requests each scope allows in a window, given the limit of reads.

    The limit of writes is a fifth of that of reads, but at least 30. The limits of logins and of
    both kinds of guesses are a twentieth, but at least 10. One person with a phone may need that
    many. None of them exceeds the limit of reads. The limit of streams is twice that of reads,
    because a client opens its stream again whenever the connection breaks. That of check-ins does
    not depend on it.
    """
    strict = min(max_requests, max(10, max_requests // 20))
    return {
        READS: max_requests,
        WRITES: min(max_requests, max(30, max_requests // 5)),
        LOGINS: strict,
        GUESSES: strict,
        TOKEN_GUESSES: strict,
        STREAMS: 2 * max_requests,
        CHECK_INS: MAX_CHECK_INS,
    }


@dataclass(frozen=True)
class WindowStats:
    """A caller's use of the current window, after a request."""

    limit: int  # requests allowed in the window
    remaining: int  # requests still allowed; negative if this request exceeds the limit
    reset_seconds: int  # seconds until the window ends, rounded up


class RateLimiter:
    """The rate limits of an application. A window begins at each multiple of its length."""

    def __init__(self, config: Config) -> None:
        self._limits = derive_limits(config.rate_limit_max_requests)
        self._window_seconds = config.rate_limit_window_ms / 1000
        self._own_windows = {CHECK_INS: CHECK_IN_WINDOW_SECONDS}
        self._storage = FallbackStorage(config.rate_limit_storage_uri or MEMORY)

    def hit(self, scope: str, caller_key: str, now: float) -> WindowStats:
        """Count a request, and return the caller's use of the current window.

        Args:
            caller_key: names the caller, such as `user:<id>`, `device:<id>` or `address:<network>`.
            now: Unix time in seconds, so that all processes agree on when a window begins.
        """
        name, reset_seconds = self._find_counter(scope, caller_key, now)
        return self._make_stats(scope, self._storage.incr(name, reset_seconds), reset_seconds)

    def look_up(self, scope: str, caller_key: str, now: float) -> WindowStats:
        """Return the caller's use of the current window, without counting a request."""
        name, reset_seconds = self._find_counter(scope, caller_key, now)
        return self._make_stats(scope, self._storage.get(name), reset_seconds)

    def _find_counter(self, scope: str, caller_key: str, now: float) -> tuple[str, int]:
        """Return the name of the counter of the current window, and the seconds until its end."""
        window_seconds = self._own_windows.get(scope, self._window_seconds)
        window, elapsed = divmod(now, window_seconds)
        reset_seconds = math.ceil(window_seconds - elapsed)
        return f"{scope}/{caller_key}/{int(window)}", reset_seconds

    def _make_stats(self, scope: str, count: int, reset_seconds: int) -> WindowStats:
        limit = self._limits[scope]
        return WindowStats(limit, limit - count, reset_seconds)


RATE_LIMITER: AppKey[RateLimiter] = AppKey("rate_limiter")


def init_app(app: Flask, config: Config) -> None:
    """Limit every route except EXEMPT_PATHS, if the settings enable rate limits.

    Raises:
        ConfigError: the package that RATE_LIMIT_STORAGE_URI needs is not installed.
    """
    if not config.rate_limit_enabled:
        return
    RATE_LIMITER.set(app, RateLimiter(config))
    app.before_request(_limit_request)
    app.after_request(_add_headers)
    if config.web_concurrency > 1 and (config.rate_limit_storage_uri or MEMORY) == MEMORY:
        log.warning("each process counts rate limits for itself: set RATE_LIMIT_STORAGE_URI")


def _limit_request() -> None:
    if request.method == "OPTIONS" or request.path.startswith(EXEMPT_PATHS):
        return
    g.rate_limiter = RATE_LIMITER.get()
    scope = _get_request_scope()
    if scope == UNLIMITED:
        return
    caller_key = get_client_address_key() if scope == LOGINS else _get_caller_key()
    counted: WindowStats | None = request.environ.get(COUNTED_KEY)
    g.window_stats = stats = counted or g.rate_limiter.hit(scope, caller_key, time.time())
    if stats.remaining < 0:
        raise TooManyRequests(retry_after=stats.reset_seconds)


def count_early_read(
    app: Flask, environ: "WSGIEnvironment", user_id: ObjectId | None
) -> WindowStats:
    """Count a reading request that Flask has not handled yet.

    It is counted once, whoever answers it in the end.

    Args:
        user_id: the user whom its access token names; None without a token.
    """
    counted: WindowStats | None = environ.get(COUNTED_KEY)
    if counted:
        return counted
    if user_id:
        caller_key = f"{USER_PREFIX}{user_id}"
    else:
        caller_key = f"{ADDRESS_PREFIX}{find_client_network(environ.get('REMOTE_ADDR') or '')}"
    stats = RATE_LIMITER.get(app).hit(READS, caller_key, time.time())
    environ[COUNTED_KEY] = stats
    return stats


def _get_request_scope() -> str:
    view = current_app.view_functions.get(request.endpoint or "")
    default = READS if request.method in READING_METHODS else WRITES
    return getattr(view, "rate_limit_scope", default)


def _get_caller_key() -> str:
    """Return the key of the logged-in user or, without a valid token, of the address.

    Users behind one address thus do not share a limit. An API token counts as its owner, but each
    door device has limits of its own, and so has each booking whose link is used.

    Raises:
        TooManyRequests: the address has sent too many unknown API tokens.
    """
    try:
        if has_api_token():
            return _find_token_key()
        if link := current_link():
            return f"booking:{link.booking_id}"
        user_id = current_claims().get("sub")
    except Unauthorized:  # The route refuses the token itself if it needs one.
        user_id = None
    return f"{USER_PREFIX}{user_id}" if user_id else get_client_address_key()


def _find_token_key() -> str:
    """Return the key of the door device, or of the owner, of the request's API token.

    Unknown tokens are counted by address. An address with as many as are allowed is refused before
    its token is looked up, so that it cannot go on to guess.

    Raises:
        Unauthorized: the token is unknown or has ended.
        TooManyRequests: the address has sent too many of these.
    """
    limiter, address_key = RATE_LIMITER.get(), get_client_address_key()
    stats = limiter.look_up(TOKEN_GUESSES, address_key, time.time())
    if stats.remaining <= 0:
        raise TooManyRequests("Too many unknown API tokens", retry_after=stats.reset_seconds)
    try:
        token = current_api_token()
    except Unauthorized:
        limiter.hit(TOKEN_GUESSES, address_key, time.time())
        raise
    is_device = "deviceEventId" in token
    return f"device:{token['_id']}" if is_device else f"{USER_PREFIX}{token['userId']}"


def get_client_address_key() -> str:
    """Return the key of the client's network. TRUSTED_PROXIES decides how its address is found."""
    return f"{ADDRESS_PREFIX}{find_client_network(request.remote_addr or '')}"


def find_client_network(address: str) -> str:
    """Return the network whose addresses one client can use: an IPv4 address or an IPv6 /64."""
    # A trusted proxy may pass on any text as the address.
    return _find_client_network(address[:MAX_ADDRESS_LENGTH])


@lru_cache(maxsize=4096)
def _find_client_network(address: str) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:  # A Unix socket has no IP address.
        return address
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ip_network((parsed, IPV6_PREFIX), strict=False))


def _add_headers(response: Response) -> Response:
    stats: WindowStats | None = g.get("window_stats")
    if stats:
        response.headers.update(list_headers(stats))
    return response


def list_headers(stats: WindowStats) -> list[tuple[str, str]]:
    """Return the headers that tell a caller how many more requests are allowed."""
    return [
        ("RateLimit-Limit", str(stats.limit)),
        ("RateLimit-Remaining", str(max(0, stats.remaining))),
        ("RateLimit-Reset", str(stats.reset_seconds)),
    ]
