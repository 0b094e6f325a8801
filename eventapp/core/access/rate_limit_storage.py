"""Count requests for rate limits in memory, MongoDB or Redis.

Counters follow the interface of the `limits` library. Each counter belongs to one time window,
whose number is part of its key. So no counter is ever reset: old counters expire.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any, Protocol, cast

import cachetools
import pymongo
import structlog
from limits.errors import ConfigurationError, StorageError
from limits.storage import RedisStorage, storage_from_string
from pymongo import MongoClient, ReturnDocument
from pymongo.errors import DuplicateKeyError, PyMongoError

from eventapp.config import ConfigError
from eventapp.core.clock import utc_now
from eventapp.core.database import DEFAULT_DATABASE, Document, note_no_answer

# The longest time that a request waits for the storage. If the database is unavailable too, the
# request must still be answered with 503 within 3 s.
TIMEOUT_MS = 400
RETRY_SECONDS = 5.0
INDEX_TIMEOUT_SECONDS = 60
MAX_COUNTERS = 50_000  # in memory; each takes about 300 bytes

log = structlog.get_logger()


class CounterStorage(Protocol):
    """The part of `limits.storage.Storage` that is used here."""

    def incr(self, key: str, expiry: int) -> int:
        """Add one to a counter, which expires after `expiry` seconds, and return its value.

        Raises:
            StorageError: the storage does not answer.
        """

    def get(self, key: str) -> int:
        """Return the value of a counter, 0 if it does not exist.

        Raises:
            StorageError: the storage does not answer.
        """


class MongoDBCounterStorage:
    """Counters in the collection `rateLimits`, incremented by plain updates.

    The MongoDB storage of `limits` uses an update pipeline instead. On some MongoDB-compatible
    servers it fails if two requests create the same counter at once.
    """

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
        """See CounterStorage."""
        try:
            count = self._create_or_increment(key, expiry)
        except PyMongoError as error:
            note_no_answer()  # The application's database is mostly on the same server.
            raise StorageError(error) from error
        if not self._has_index:  # Without the index, expired counters would fill the database.
            self._has_index = True
            threading.Thread(target=self._create_index, name="limits-index", daemon=True).start()
        return count

    def get(self, key: str) -> int:
        """See CounterStorage."""
        try:
            counter = self.counters.find_one({"_id": key})
        except PyMongoError as error:
            note_no_answer()  # The application's database is mostly on the same server.
            raise StorageError(error) from error
        return int(counter["count"]) if counter else 0

    def _create_or_increment(self, key: str, expiry: int) -> int:
        # This is not an upsert, because some MongoDB-compatible servers return 1 to every caller
        # if several upserts create the same document at once.
        count = self._increment(key)
        if count is None:
            expires_at = utc_now() + timedelta(seconds=expiry)
            with suppress(DuplicateKeyError):  # Another request has created it meanwhile.
                self.counters.insert_one({"_id": key, "count": 0, "expiresAt": expires_at})
            count = self._increment(key)
        return count or 1

    def _increment(self, key: str) -> int | None:
        counter = self.counters.find_one_and_update(
            {"_id": key}, {"$inc": {"count": 1}}, return_document=ReturnDocument.AFTER
        )
        return int(counter["count"]) if counter else None

    def _create_index(self) -> None:
        try:
            with pymongo.timeout(INDEX_TIMEOUT_SECONDS):  # This takes too long for a request.
                self.counters.create_index("expiresAt", name="expiresAt", expireAfterSeconds=0)
        except PyMongoError as error:
            self._has_index = False
            log.warning("no index on rate limits yet", error=type(error).__name__)


class MemoryCounterStorage:
    """The MAX_COUNTERS counters that were incremented last, in memory.

    The memory storage of `limits` has no bound, so a client with many addresses could fill it.
    Counters of past windows are not incremented any more, and so are the first to be evicted.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: cachetools.LRUCache[str, int] = cachetools.LRUCache(MAX_COUNTERS)

    def incr(self, key: str, expiry: int) -> int:
        """See CounterStorage."""
        with self._lock:
            count = self._counts.get(key, 0) + 1
            self._counts[key] = count
        return count

    def get(self, key: str) -> int:
        """See CounterStorage."""
        with self._lock:
            return self._counts.get(key, 0)


class FallbackStorage:
    """Counts in a storage, and in memory for RETRY_SECONDS after that storage did not answer."""

    def __init__(self, uri: str) -> None:
        self._storage = open_storage(uri)
        self._memory = MemoryCounterStorage()
        self._unavailable_until = 0.0  # seconds of time.monotonic()

    def incr(self, key: str, expiry: int) -> int:
        """See CounterStorage. This never raises StorageError."""
        return self._call(lambda storage: storage.incr(key, expiry))

    def get(self, key: str) -> int:
        """See CounterStorage. This never raises StorageError."""
        return self._call(lambda storage: storage.get(key))

    def _call(self, call: Callable[[CounterStorage], int]) -> int:
        if time.monotonic() < self._unavailable_until:
            return call(self._memory)
        try:
            return call(self._storage)
        except StorageError as error:
            self._unavailable_until = time.monotonic() + RETRY_SECONDS
            log.warning("rate limits counted in memory", error=type(error.storage_error).__name__)
            return call(self._memory)


def open_storage(uri: str) -> CounterStorage:
    """Return the storage of a RATE_LIMIT_STORAGE_URI, without connecting to it yet.

    Raises:
        ConfigError: the URI is invalid, or the package that the storage needs is not installed.
    """
    try:
        return _create_storage(uri)
    except (ConfigurationError, PyMongoError, ValueError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"RATE_LIMIT_STORAGE_URI: {reason}") from None


def _create_storage(uri: str) -> CounterStorage:
    if uri.startswith("mongodb"):
        return MongoDBCounterStorage(uri)
    if uri.startswith("memory"):
        return MemoryCounterStorage()
    options: dict[str, Any] = {}
    if uri.startswith("redis"):
        seconds = TIMEOUT_MS / 1000
        options = {"socket_timeout": seconds, "socket_connect_timeout": seconds}
    storage = storage_from_string(uri, wrap_exceptions=True, **options)
    if isinstance(storage, RedisStorage):
        # Redis checks the options of the URI only when it creates a connection, which this does.
        storage.storage.connection_pool.make_connection()
    return cast(CounterStorage, storage)
