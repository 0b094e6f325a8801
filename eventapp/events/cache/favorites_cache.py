"""Cache the favorites of owners until a change of them is received.

Invariant: cached favorites contain every change of their owner that this process has received. A
change by this process is received from its services, one by another process by polling (see
`change_feed`). It drops what is cached, and what is being read meanwhile is not cached, because the
read may have begun before the change. So favorites are as fresh as events are: no older than the
last poll, and a caller who has just written polls first.
"""

import threading
from collections import defaultdict

from eventapp.core.database import Db
from eventapp.core.lru_cache import LRUCache
from eventapp.favorites import service as favorites

# Estimated bytes of the favorites of one owner, and of each favorite among them.
OWNER_BYTES, FAVORITE_BYTES = 400, 80


class _Read:
    """A read of the favorites of an owner that has not ended.

    Attributes:
        is_outdated: whether a change was received since it began.
    """

    is_outdated = False


class FavoritesCache:
    """The favorites of owners in one process. Any number of threads may use it."""

    def __init__(self, db: Db, max_bytes: int) -> None:
        """Cache nothing yet.

        Args:
            max_bytes: bounds the cached favorites, in estimated bytes.
        """
        self._db = db
        self._cached: LRUCache[str, frozenset[int]] = LRUCache(max_bytes, _estimate_bytes)
        # Guards the reads, and that nothing is cached after a change that outdates it.
        self._lock = threading.Lock()
        self._reads: defaultdict[str, list[_Read]] = defaultdict(list)

    def get(self, owner: str) -> frozenset[int] | None:
        """Return the eventIds of the cached favorites of an owner, None if they are not cached."""
        return self._cached.get(owner)

    def load(self, owner: str) -> frozenset[int]:
        """Return the eventIds of the favorites of an owner, read and cached if need be."""
        event_ids = self._cached.get(owner)
        return self._read(owner) if event_ids is None else event_ids

    def _read(self, owner: str) -> frozenset[int]:
        read = _Read()
        with self._lock:
            self._reads[owner].append(read)
        event_ids: frozenset[int] | None = None
        try:
            event_ids = frozenset(favorites.list_event_ids(self._db, owner))
            return event_ids
        finally:
            with self._lock:
                self._reads[owner].remove(read)
                if not self._reads[owner]:
                    del self._reads[owner]
                if event_ids is not None and not read.is_outdated:
                    self._cached.put(owner, event_ids)

    def drop(self, owner: str) -> None:
        """Receive a change of the favorites of an owner."""
        with self._lock:
            for read in self._reads.get(owner, ()):
                read.is_outdated = True
            self._cached.discard(owner)

    def clear(self) -> None:
        """Drop all favorites, because any may have changed."""
        with self._lock:
            for reads in self._reads.values():
                for read in reads:
                    read.is_outdated = True
            self._cached.clear()


def _estimate_bytes(event_ids: frozenset[int]) -> int:
    return OWNER_BYTES + FAVORITE_BYTES * len(event_ids)
