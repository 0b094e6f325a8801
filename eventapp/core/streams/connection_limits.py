"""The places that a process has for streams, and whose they are.

An address, or a user, may have as many as there are: behind one there may be a whole school. Only
the last LAST of them are for those who have few, so that nobody can take them all.
"""

import threading
from collections import Counter
from collections.abc import Sequence

from eventapp.core.errors import AppError, TooManyRequests

# Beside these a server process keeps threads for requests: see serving.py.
MAX_STREAMS = 1_200
LAST, FEW = 100, 10
RETRY_SECONDS, OWN_RETRY_SECONDS = 5, 15


class TooManyStreams(AppError):
    """This process has no thread to spare; another one, or this one later, may have."""

    status, code = 503, "too_many_streams"
    message = "Too many open streams; try again shortly"

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": str(RETRY_SECONDS)})


class TooManyOwnStreams(TooManyRequests):
    """What is left is for others: by OWN_RETRY_SECONDS later, who went away has been noticed."""

    code = "too_many_own_streams"
    message = "You have too many open streams; close some, or try again shortly"

    def __init__(self) -> None:
        super().__init__(retry_after=OWN_RETRY_SECONDS)


class Seats:
    """The open streams of one process, counted in all and by caller."""

    def __init__(self, most: int = MAX_STREAMS) -> None:
        self._most, self.taken = most, 0
        self._of: Counter[str] = Counter()
        self._lock = threading.Lock()

    def take(self, callers: Sequence[str]) -> None:
        """Count a stream in.

        Args:
            callers: all that it counts for, as its address and its user.

        Raises:
            TooManyStreams, TooManyOwnStreams: it is not counted.
        """
        with self._lock:
            if self.taken >= self._most:
                raise TooManyStreams
            few_are_left = self.taken >= self._most - LAST
            if few_are_left and any(self._of[caller] >= FEW for caller in callers):
                raise TooManyOwnStreams
            self.taken += 1
            self._of.update(callers)

    def give_back(self, callers: Sequence[str]) -> None:
        """Count it out again."""
        with self._lock:
            self.taken -= 1
            self._of.subtract(callers)
            for caller in callers:
                if not self._of[caller]:
                    del self._of[caller]
