"""How many streams one process may have open, in all and for each caller.

A caller is an address or a user. Either may open as many streams as are free, because a whole
school may share one address. Only the last RESERVED_STREAMS are kept for callers that have few
streams, so that nobody can occupy them all.
"""

import threading
from collections import Counter
from collections.abc import Sequence

from eventapp.core.errors import AppError, TooManyRequests

# A server process has threads for requests besides these: see core.server.resources.
MAX_STREAMS = 1_200
# The last streams, and how many a caller may have open to get one of them.
RESERVED_STREAMS, FEW_STREAMS = 100, 10
RETRY_SECONDS, OWN_RETRY_SECONDS = 5, 15


class TooManyStreams(AppError):
    """This process has no free stream. Another process, or this one later, may have one."""

    status, code = 503, "too_many_streams"
    message = "Too many open streams; try again shortly"

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": str(RETRY_SECONDS)})


class TooManyOwnStreams(TooManyRequests):
    """The free streams are reserved for other callers.

    The server notices within OWN_RETRY_SECONDS that a client has gone.
    """

    code = "too_many_own_streams"
    message = "You have too many open streams; close some, or try again shortly"

    def __init__(self) -> None:
        super().__init__(retry_after=OWN_RETRY_SECONDS)


class ConnectionLimits:
    """Counts the open streams of one process, in all and by caller."""

    def __init__(self, max_open: int = MAX_STREAMS) -> None:
        self._max_open, self.open_count = max_open, 0
        self._open_by_caller: Counter[str] = Counter()
        self._lock = threading.Lock()

    def acquire(self, callers: Sequence[str]) -> None:
        """Count one more stream.

        Args:
            callers: every caller that the stream counts for: its address, and its user.

        Raises:
            TooManyStreams, TooManyOwnStreams: the stream is not counted.
        """
        with self._lock:
            if self.open_count >= self._max_open:
                raise TooManyStreams
            only_reserved = self.open_count >= self._max_open - RESERVED_STREAMS
            if only_reserved and any(self._open_by_caller[one] >= FEW_STREAMS for one in callers):
                raise TooManyOwnStreams
            self.open_count += 1
            self._open_by_caller.update(callers)

    def release(self, callers: Sequence[str]) -> None:
        """Count one stream less, for the same callers as in `acquire`."""
        with self._lock:
            self.open_count -= 1
            self._open_by_caller.subtract(callers)
            for caller in callers:
                if not self._open_by_caller[caller]:
                    del self._open_by_caller[caller]
