"""A cache in memory that is bounded in size and safe for any number of threads, and its budget."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import cachetools

Key = TypeVar("Key")
Value = TypeVar("Value")
# How the caches that are bounded in bytes share the memory of a process, in percent.
SHARES: Mapping[str, int] = {
    "events": 43,
    "pages": 4,
    # Recommendations of the ten categories, with up to 500 events each, take 5.7 MB, and 4.7 MB as
    # the Android app reads them.
    "rendered pages": 18,
    "android events": 14,
    "favorites": 4,
    "sale states": 13,
    # The same recommendations take 0.7 and 0.6 MB as one algorithm compresses them.
    "compressed bodies": 4,
}
BYTES_OF_A_MB = 1_000_000


@dataclass(frozen=True)
class CacheBudget:
    """The memory that the caches of a process may take together.

    Attributes:
        megabytes: the greatest total size of all values in all caches, in MB (10^6 bytes).
    """

    megabytes: int = 36

    def get_bytes(self, cache: str) -> int:
        """Return the bytes that a cache may take; its name is one of SHARES."""
        return self.megabytes * BYTES_OF_A_MB * SHARES[cache] // 100


DEFAULT_BUDGET = CacheBudget()


class LRUCache(Generic[Key, Value]):
    """A `cachetools.LRUCache` behind a lock.

    When a new value does not fit, the least recently used values are evicted.
    """

    def __init__(self, max_size: int, size_of: Callable[[Value], int] | None = None) -> None:
        """Create an empty cache.

        Args:
            max_size: the greatest total size of all values, in bytes. Without `size_of` it is the
                greatest number of values.
            size_of: returns the size of a value together with its key, in bytes. For the same value
                it must always return the same number.
        """
        self._lock = threading.Lock()
        self._values: cachetools.LRUCache[Key, Value] = cachetools.LRUCache(max_size, size_of)

    def get(self, key: Key) -> Value | None:
        """Return the value of this key, or None if there is none."""
        with self._lock:
            try:
                return self._values[key]
            except KeyError:
                return None

    def put(self, key: Key, value: Value) -> None:
        """Store a value. One that is larger than the whole cache evicts all and is not stored."""
        with self._lock:
            try:
                self._values[key] = value
            except ValueError:
                self._values.clear()

    def resize(self, max_size: int) -> None:
        """Remove all values, and set the greatest total size."""
        with self._lock:
            self._values = cachetools.LRUCache(max_size, self._values.getsizeof)

    def discard(self, key: Key) -> None:
        """Remove the value of this key, if there is one."""
        with self._lock:
            self._values.pop(key, None)

    def clear(self) -> None:
        """Remove all values."""
        with self._lock:
            self._values.clear()
