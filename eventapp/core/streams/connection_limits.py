"""Limit the open streams of one process, in all and for each caller.

A caller is an address or a user. An address may open MAX_STREAMS_PER_ADDRESS streams to all server
processes of a machine together. The last
RESERVED_STREAMS of a process are reserved for callers with few open streams, so that neither a user
nor a few addresses can occupy them all.
"""

import threading
from collections import Counter
from collections.abc import Sequence

from eventapp.core.access.rate_limits import ADDRESS_PREFIX
from eventapp.core.errors import AppError, TooManyRequests
from eventapp.core.streams.shared_counts import SharedCounts

# A server process has threads for requests besides these: see core.server.resources.
MAX_STREAMS = 1_200
# A caller with fewer than FEW_STREAMS open streams may open one of the last RESERVED_STREAMS.
RESERVED_STREAMS, FEW_STREAMS = 100, 10
# The Retry-After of each error. A server notices within 15 s that a client has gone.
RETRY_SECONDS, OWN_RETRY_SECONDS = 5, 15


class TooManyStreams(AppError):
    """This process can open no more streams. Another process may, or this one later."""

    status, code = 503, "too_many_streams"
    message = "Too many open streams; try again shortly"

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": str(RETRY_SECONDS)})


class TooManyOwnStreams(TooManyRequests):
    """The caller has as many streams as an address may have, or as are not reserved for others."""

    code = "too_many_own_streams"
    message = "You have too many open streams; close some, or try again shortly"

    def __init__(self) -> None:
        super().__init__(retry_after=OWN_RETRY_SECONDS)


class ConnectionLimits:
    """Counts the open streams of one process, in all and for each caller."""

    def __init__(self, max_open: int = MAX_STREAMS, max_per_address: int = MAX_STREAMS) -> None:
        self._max_open, self.open_count = max_open, 0
        self._max_per_address = max_per_address
        self._open_by_address = SharedCounts(processes=1)
        self._open_by_key: Counter[str] = Counter()
        self._lock = threading.Lock()

    def share(self, open_by_address: SharedCounts) -> None:
        """Count the streams of each address together with other processes, from now on."""
        self._open_by_address = open_by_address

    def acquire(self, caller_keys: Sequence[str]) -> None:
        """Count one more stream.

        Args:
            caller_keys: the keys of the address and of the user for which the stream counts. The
                key of an address begins with ADDRESS_PREFIX.

        Raises:
            TooManyStreams: no stream is free.
            TooManyOwnStreams: the address has no stream left, or a caller has many streams and the
                last free ones are reserved.
        """
        with self._lock:
            if self.open_count >= self._max_open:
                raise TooManyStreams
            addresses = find_addresses(caller_keys)
            if any(self._open_by_address.total(key) >= self._max_per_address for key in addresses):
                raise TooManyOwnStreams
            only_reserved = self.open_count >= self._max_open - RESERVED_STREAMS
            if only_reserved and any(self._open_by_key[key] >= FEW_STREAMS for key in caller_keys):
                raise TooManyOwnStreams
            self.open_count += 1
            self._open_by_key.update(caller_keys)
            for key in addresses:
                self._open_by_address.add(key, 1)

    def release(self, caller_keys: Sequence[str]) -> None:
        """Count one open stream less. `caller_keys` are those that were given to `acquire`."""
        with self._lock:
            self.open_count -= 1
            self._open_by_key.subtract(caller_keys)
            for key in find_addresses(caller_keys):
                self._open_by_address.add(key, -1)
            for key in caller_keys:
                if not self._open_by_key[key]:
                    del self._open_by_key[key]


def find_addresses(caller_keys: Sequence[str]) -> list[str]:
    """Return those keys of callers that are keys of addresses."""
    return [key for key in caller_keys if key.startswith(ADDRESS_PREFIX)]
