"""A cache that processes and machines share. It never makes a request fail or wait for long.

`open_shared_cache` returns the Redis cache that CACHE_URL names, or a cache that is always empty.
Callers treat both alike.

The Redis cache treats every failure as a miss: when Redis is down, slow, full or answers nonsense,
nothing is found and nothing is stored. It then makes no calls until a background thread has found
that Redis answers again. The failure is counted, and logged once.

A value is signed together with its name, with a key that is derived from the application's secret.
A value that another program wrote, or copied to another name, is treated as a miss.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from typing import Any, Protocol, TypeVar

import structlog

from eventapp.config import ConfigError
from eventapp.core.metrics import SHARED_CACHE

# The longest time that one call may take. A call that took longer counts as a failure, even if it
# succeeded. `?socket_timeout=0.1` in the URL overrides this value.
TIMEOUT_SECONDS = 0.05
RETRY_SECONDS = 5.0
PROBE_NAME, PROBE_LIFETIME_MS = "eventapp:probe", 60_000
SIGNATURE_BYTES = 16
MISSES, FOREIGN = SHARED_CACHE.labels("miss"), SHARED_CACHE.labels("foreign")
FAILED = SHARED_CACHE.labels("failed")

Result = TypeVar("Result")
log = structlog.get_logger()


class SharedCache(Protocol):
    """Named values that the processes of one application share. Any value may be missing."""

    def get(self, names: Sequence[str]) -> Sequence[bytes | None]:
        """Return the value of each name in order, None where no value is found."""

    def put(self, values: Iterable[tuple[str, bytes]], lifetime_ms: int) -> None:
        """Store these (name, value) pairs for `lifetime_ms` milliseconds, if possible."""


class NoSharedCache:
    """A cache that is always empty, for a process without CACHE_URL."""

    def get(self, names: Sequence[str]) -> Sequence[bytes | None]:
        """Return None for each name."""
        return [None] * len(names)

    def put(self, values: Iterable[tuple[str, bytes]], lifetime_ms: int) -> None:
        """Store nothing. `values` is not iterated, so a generator does no work."""


NO_SHARED_CACHE: SharedCache = NoSharedCache()


def open_shared_cache(url: str | None, secret: str) -> SharedCache:
    """Return the cache in the Redis at this URL, or NO_SHARED_CACHE without a URL.

    Raises:
        ConfigError: the URL is invalid. Whether a server answers is not checked.
    """
    return RedisCache(url, secret) if url else NO_SHARED_CACHE


class RedisCache:
    """A shared cache in Redis, for any number of threads."""

    def __init__(self, url: str, secret: str) -> None:
        """Create a client without connecting it.

        Raises:
            ConfigError: the URL is invalid.
        """
        self._redis, redis_error = _create_client(url)
        # A server that does not speak Redis makes the driver raise errors of other kinds.
        self._errors = (redis_error, OSError, ValueError, TypeError)
        self._timeout: float = self._redis.get_connection_kwargs()["socket_timeout"]
        self._key = hashlib.blake2b(secret.encode(), person=b"shared cache").digest()
        self._is_available = False
        self._logged_as_available = True
        self._lock = threading.Lock()
        self._probe_thread: threading.Thread | None = None

    def get(self, names: Sequence[str]) -> Sequence[bytes | None]:
        """Return the value of each name in order, None where this application stored no value."""
        found = self._call(lambda: _check_values(self._redis.mget(names), len(names)))
        if found is None:
            return [None] * len(names)
        return [self._verify(name, value) for name, value in zip(names, found, strict=True)]

    def put(self, values: Iterable[tuple[str, bytes]], lifetime_ms: int) -> None:
        """Store these (name, value) pairs for `lifetime_ms` milliseconds, if Redis is available."""
        pairs = list(values)

        def store() -> bool:
            with self._redis.pipeline(transaction=False) as pipe:
                for name, value in pairs:
                    pipe.set(name, self._sign(name, value) + value, px=lifetime_ms)
                pipe.execute()
            return True

        self._call(store)

    def _sign(self, name: str, value: bytes) -> bytes:
        keyed_hash = hashlib.blake2b(
            name.encode() + b"\0", key=self._key, digest_size=SIGNATURE_BYTES
        )
        keyed_hash.update(value)
        return keyed_hash.digest()

    def _verify(self, name: str, signed: bytes | None) -> bytes | None:
        if signed is None:
            MISSES.inc()
            return None
        signature, value = signed[:SIGNATURE_BYTES], signed[SIGNATURE_BYTES:]
        if signature == self._sign(name, value):
            return value
        FOREIGN.inc()
        return None

    # Availability.

    def _call(self, command: Callable[[], Result]) -> Result | None:
        """Return what the command returns, or None if Redis is unavailable."""
        if not self._is_available:
            self._start_probing()
            return None
        started = time.monotonic()
        try:
            result = command()
        except self._errors as error:
            self._suspend(type(error).__name__)
            return None
        if time.monotonic() - started > self._timeout:
            self._suspend("slow")
        return result

    def _suspend(self, reason: str) -> None:
        """Make no calls until Redis answers a probe."""
        FAILED.inc()
        self._is_available = False
        self._log_availability(available=False, reason=reason)
        self._start_probing(delay=RETRY_SECONDS)

    def _start_probing(self, delay: float = 0.0) -> None:
        """Start a thread that waits until Redis answers, unless one is running."""
        with self._lock:
            is_probing = self._probe_thread is not None and self._probe_thread.is_alive()
            if self._is_available or is_probing:
                return
            self._probe_thread = threading.Thread(
                target=self._probe_until_available, args=(delay,), name="shared-cache", daemon=True
            )
            self._probe_thread.start()

    def _probe_until_available(self, delay: float) -> None:
        time.sleep(delay)
        while not self._probe():
            time.sleep(RETRY_SECONDS)
        self._is_available = True
        self._log_availability(available=True)

    def _probe(self) -> bool:
        """Return whether Redis stores a value. A full or read-only Redis still answers a PING."""
        try:
            stored = self._redis.set(PROBE_NAME, b"1", px=PROBE_LIFETIME_MS)
        except self._errors as error:
            self._log_availability(available=False, reason=type(error).__name__)
            return False
        return stored is True

    def _log_availability(self, *, available: bool, reason: str = "") -> None:
        """Log a change of availability, once."""
        with self._lock:
            if available == self._logged_as_available:
                return
            self._logged_as_available = available
        if available:
            log.info("the shared cache answers again")
        else:
            log.warning("the shared cache does not answer", error=reason)


def _create_client(url: str) -> tuple[Any, type[Exception]]:
    """Return a client of the `redis` library and the base class of its errors."""
    # The library takes 6 MB, so a process without CACHE_URL does not import it.
    redis = import_module("redis")
    try:
        client = redis.Redis.from_url(
            url,
            protocol=2,  # Every server supports it, and it needs no HELLO as protocol 3 does.
            driver_info=None,
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
            retry=redis.retry.Retry(redis.backoff.NoBackoff(), 0),
        )
        # This does not connect, but raises an error if the URL has an unknown option.
        client.connection_pool.make_connection()
    except (ValueError, TypeError) as error:
        raise ConfigError(f"CACHE_URL: {error}") from None
    return client, redis.RedisError


def _check_values(answer: Any, count: int) -> list[bytes | None]:
    """Return the values of an answer to MGET; raise ValueError if it has another form."""
    if not isinstance(answer, list) or len(answer) != count:
        raise ValueError("not an answer to MGET")
    return [value if isinstance(value, bytes) else None for value in answer]
