"""Where the calls of rate limits are counted: in memory, MongoDB or Redis, and never in vain.

A count lives for one window, whose number is in its key, so that nothing is ever reset.
"""

import threading
import time
from contextlib import suppress
from datetime import timedelta
from typing import Any, Protocol, cast

import pymongo
import structlog
from limits.errors import ConfigurationError, StorageError
from limits.storage import MemoryStorage, storage_from_string
from pymongo import MongoClient, ReturnDocument
from pymongo.errors import DuplicateKeyError, PyMongoError

from eventapp.config import ConfigError
from eventapp.core.clock import utc_now
from eventapp.core.database import DEFAULT_DATABASE, Document

# A storage that hangs must leave a request time to hear 503 from the database within 3 s.
TIMEOUT_MS = 400
RETRY_SECONDS = 5.0
INDEX_SECONDS = 60

log = structlog.get_logger()


class Storage(Protocol):
    def incr(self, key: str, expiry: int) -> int:
        """Add one to a count that lives so many seconds; StorageError when out of reach."""


class MongoCounts:
    """Counts by plain updates: the pipeline of `limits` fails on the engine when two begin one."""

    def __init__(self, uri: str) -> None:
        self.client: MongoClient[Document] = MongoClient(
            uri,
            connect=False,
            tz_aware=True,
            serverSelectionTimeoutMS=TIMEOUT_MS,
            timeoutMS=TIMEOUT_MS,
        )
        self.counters = self.client.get_default_database(DEFAULT_DATABASE)["rateLimits"]
        self._has_index = False

    def incr(self, key: str, expiry: int) -> int:
        """See Storage."""
        try:
            count = self._add(key, expiry)
        except PyMongoError as error:
            raise StorageError(error) from error
        if not self._has_index:  # counts that nothing removes would fill the database
            self._has_index = True
            threading.Thread(target=self._add_index, name="limits-index", daemon=True).start()
        return count

    def _add(self, key: str, expiry: int) -> int:
        # Not by an upsert: of several at once that begin a count, the engine tells each it is 1.
        count = self._increment(key)
        if count is None:
            expires_at = utc_now() + timedelta(seconds=expiry)
            with suppress(DuplicateKeyError):  # then another has begun it
                self.counters.insert_one({"_id": key, "count": 0, "expiresAt": expires_at})
            count = self._increment(key)
        return count or 1

    def _increment(self, key: str) -> int | None:
        counter = self.counters.find_one_and_update(
            {"_id": key}, {"$inc": {"count": 1}}, return_document=ReturnDocument.AFTER
        )
        return int(counter["count"]) if counter else None

    def _add_index(self) -> None:
        try:
            with pymongo.timeout(INDEX_SECONDS):  # too slow for a request to wait for
                self.counters.create_index("expiresAt", name="expiresAt", expireAfterSeconds=0)
        except PyMongoError as error:
            self._has_index = False
            log.warning("no index on rate limits yet", error=type(error).__name__)


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
        return MongoCounts(uri)
    options: dict[str, Any] = {}
    if uri.startswith("redis"):
        seconds = TIMEOUT_MS / 1000
        options = {"socket_timeout": seconds, "socket_connect_timeout": seconds}
    try:
        return cast(Storage, storage_from_string(uri, wrap_exceptions=True, **options))
    except ConfigurationError as error:
        raise ConfigError(f"RATE_LIMIT_STORAGE_URI: {error}") from None
