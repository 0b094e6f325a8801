"""Where the calls of rate limits are counted: in memory, MongoDB or Redis, and never in vain.

A count lives for one window, whose number is in its key, so that nothing is ever reset.
"""

import time
from datetime import timedelta
from typing import Any, cast

import structlog
from limits.errors import ConfigurationError, StorageError
from limits.storage import MemoryStorage, MongoDBStorage, Storage, storage_from_string
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError
from pymongo.uri_parser import parse_uri

from eventapp.config import ConfigError
from eventapp.core.clock import utc_now
from eventapp.core.mongo import DEFAULT_DATABASE

# A storage that hangs must leave a request time to hear 503 from the database within 3 s.
TIMEOUT_MS = 400
RETRY_SECONDS = 5.0

log = structlog.get_logger()


class MongoCounts(MongoDBStorage):
    """Counts by a plain `$inc`: the pipeline of `limits` fails on the engine when two begin one."""

    STORAGE_SCHEME = ["eventapp+mongodb"]
    _indexed = False

    def __del__(self) -> None:
        """Nothing: `limits` closes its client here, too late for PyMongo when Python ends."""

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        try:
            return self._add(key, expiry, amount)
        except DuplicateKeyError:  # another began this count at the same time
            return self._add(key, expiry, amount)

    def _add(self, key: str, expiry: int, amount: int) -> int:
        if not self._indexed:  # counts that nothing removes would fill the database
            self.counters.create_index("expireAt", expireAfterSeconds=0)
            self._indexed = True
        expires_at = utc_now() + timedelta(seconds=expiry)
        counter = self.counters.find_one_and_update(
            {"_id": key},
            {"$inc": {"count": amount}, "$setOnInsert": {"expireAt": expires_at}},
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
        return int(counter["count"]) if counter else amount


class Counts:
    """One storage, and memory in its place for a few seconds whenever it does not answer."""

    def __init__(self, uri: str) -> None:
        self._storage = open_storage(uri)
        self._memory = MemoryStorage()
        self._down_until = 0.0

    def add(self, key: str, seconds: int) -> int:
        """Count a call under a key that lives so many seconds; how many there are now."""
        now = time.monotonic()
        if now < self._down_until:
            return self._memory.incr(key, seconds)
        try:
            return self._storage.incr(key, seconds)
        except StorageError as error:
            self._down_until = time.monotonic() + RETRY_SECONDS
            log.warning("rate limits counted in memory", error=type(error.storage_error).__name__)
            return self._memory.incr(key, seconds)


def open_storage(uri: str) -> Storage:
    """The storage of a RATE_LIMIT_STORAGE_URI; nothing is connected yet.

    Raises:
        ConfigError: the package it needs is not installed.
    """
    if uri.startswith("mongodb"):
        return MongoCounts(uri, **_mongo_options(uri))
    options: dict[str, Any] = {}
    if uri.startswith("redis"):
        seconds = TIMEOUT_MS / 1000
        options = {"socket_timeout": seconds, "socket_connect_timeout": seconds}
    try:
        return cast(Storage, storage_from_string(uri, wrap_exceptions=True, **options))
    except ConfigurationError as error:
        raise ConfigError(f"RATE_LIMIT_STORAGE_URI: {error}") from None


def _mongo_options(uri: str) -> dict[str, Any]:
    return {
        "wrap_exceptions": True,
        "database_name": parse_uri(uri)["database"] or DEFAULT_DATABASE,
        "counter_collection_name": "rateLimitCounters",
        "window_collection_name": "rateLimitWindows",
        "serverSelectionTimeoutMS": TIMEOUT_MS,
        "timeoutMS": TIMEOUT_MS,
    }
