"""A cache in Redis, shared by processes and machines, that no request waits for.

It only ever helps. Where it is down, slow, full or talks nonsense, nothing is found in it and
nothing kept, it is left alone for some seconds, and that is logged once and counted. A value is
sealed with a key that only this application's processes have, and under the name it was kept by:
what anyone else wrote there, or moved, is not found.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, TypeVar

import structlog

from eventapp.config import ConfigError
from eventapp.core.metrics import SHARED_CACHE

# One call waits no longer than this; one that took longer, though answered, is the last for now.
# The URL may say otherwise: `?socket_timeout=0.1`.
TIMEOUT_SECONDS, RETRY_SECONDS = 0.05, 5.0
PROBE, PROBE_MS = "eventapp:probe", 60_000
SEAL_BYTES = 16
MISSES, FOREIGN = SHARED_CACHE.labels("miss"), SHARED_CACHE.labels("foreign")
FAILED = SHARED_CACHE.labels("failed")

Answer = TypeVar("Answer")
log = structlog.get_logger()


class SharedCache:
    """The values of one application in one Redis, for any number of threads."""

    def __init__(self, url: str, secret: str) -> None:
        """Nothing is connected yet. ConfigError where the URL has an option that is none."""
        self._redis, error = _client(url)
        # What does not speak Redis is not always noticed by the driver: it stumbles over the bytes.
        self._errors = (error, OSError, ValueError, TypeError)
        self._patience: float = self._redis.get_connection_kwargs()["socket_timeout"]
        self._key = hashlib.blake2b(secret.encode(), person=b"shared cache").digest()
        self._answers = False
        self._told = True  # what was last logged: whether it answers
        self._lock = threading.Lock()
        self._seeker: threading.Thread | None = None

    def get(self, names: Sequence[str]) -> list[bytes | None]:
        """What was kept under these names, None where it was nothing or is not to be had."""
        found = self._use(lambda: _listed(self._redis.mget(names), len(names)))
        if found is None:
            return [None] * len(names)
        return [self._opened(name, value) for name, value in zip(names, found, strict=True)]

    def put(self, values: Mapping[str, bytes], lifetime_ms: int) -> None:
        """Keep these for so long, or not at all."""

        def keep() -> bool:
            with self._redis.pipeline(transaction=False) as pipe:
                for name, value in values.items():
                    pipe.set(name, self._seal(name, value) + value, px=lifetime_ms)
                pipe.execute()
            return True

        self._use(keep)

    def _seal(self, name: str, value: bytes) -> bytes:
        seal = hashlib.blake2b(name.encode() + b"\0", key=self._key, digest_size=SEAL_BYTES)
        seal.update(value)
        return seal.digest()

    def _opened(self, name: str, sealed: bytes | None) -> bytes | None:
        if sealed is None:
            MISSES.inc()
            return None
        seal, value = sealed[:SEAL_BYTES], sealed[SEAL_BYTES:]
        if seal == self._seal(name, value):
            return value
        FOREIGN.inc()
        return None

    # Whether it answers.

    def _use(self, call: Callable[[], Answer]) -> Answer | None:
        if not self._answers:
            self._seek()
            return None
        began = time.monotonic()
        try:
            answer = call()
        except self._errors as error:
            self._lose(type(error).__name__)
            return None
        if time.monotonic() - began > self._patience:
            self._lose("slow")
        return answer

    def _lose(self, why: str) -> None:
        FAILED.inc()
        self._answers = False
        self._tell(answers=False, why=why)
        self._seek(after=RETRY_SECONDS)

    def _seek(self, after: float = 0.0) -> None:
        """Let a thread of its own find out when it answers: no request need wait for that."""
        with self._lock:
            if self._answers or (self._seeker and self._seeker.is_alive()):
                return
            name, work = "shared-cache", self._until_it_answers
            self._seeker = threading.Thread(target=work, args=(after,), name=name, daemon=True)
            self._seeker.start()

    def _until_it_answers(self, pause: float) -> None:
        time.sleep(pause)
        while not self._is_there():
            time.sleep(RETRY_SECONDS)
        self._answers = True
        self._tell(answers=True)

    def _is_there(self) -> bool:
        try:  # a full or a read-only one says PONG, too
            kept = self._redis.set(PROBE, b"1", px=PROBE_MS)
        except self._errors as error:
            self._tell(answers=False, why=type(error).__name__)
            return False
        return kept is True

    def _tell(self, *, answers: bool, why: str = "") -> None:
        with self._lock:
            if answers == self._told:
                return
            self._told = answers
        if answers:
            log.info("the shared cache answers again")
        else:
            log.warning("the shared cache does not answer", error=why)


def _client(url: str) -> tuple[Any, type[Exception]]:
    """A client of `redis`, and what it raises."""
    redis = import_module("redis")  # 6 MB of memory, for those alone who set CACHE_URL
    try:
        client = redis.Redis.from_url(
            url,
            protocol=2,  # no greeting: one trip less, and any Redis speaks it
            driver_info=None,
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
            retry=redis.retry.Retry(redis.backoff.NoBackoff(), 0),
        )
        client.connection_pool.make_connection()  # connects nothing, but knows the options
    except (ValueError, TypeError) as error:
        raise ConfigError(f"CACHE_URL: {error}") from None
    return client, redis.RedisError


def _listed(answer: Any, count: int) -> list[bytes | None]:
    if not isinstance(answer, list) or len(answer) != count:
        raise ValueError("no answer to what was asked")
    return [value if isinstance(value, bytes) else None for value in answer]
