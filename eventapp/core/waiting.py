"""Wait in a request, for a limited time, until others have done what it depends on."""

import time


class BoundedWait:
    """The pauses of one request, which looks again after each of them."""

    def __init__(self, *, max_seconds: float, pause_seconds: float, error: type[Exception]) -> None:
        """Take the limit of all pauses together, and the error to raise when it is reached."""
        self._max_seconds, self._pause_seconds, self._error = max_seconds, pause_seconds, error
        self._deadline: float | None = None

    def pause(self) -> None:
        """Sleep once. The limit counts from the first call.

        Raises:
            Exception: the `error` of the wait, when its limit is reached.
        """
        now = time.monotonic()
        if self._deadline is None:
            self._deadline = now + self._max_seconds
        if now >= self._deadline:
            raise self._error
        time.sleep(self._pause_seconds)
