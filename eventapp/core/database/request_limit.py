"""Bound how long a request waits for a database that does not answer.

Each operation has a time limit (`CLIENT_OPTIONS`). But a request that goes on after a failed
operation, because the worker can do the rest, could wait for that limit several times; and so could
one during which the database comes back and fails again. So all operations that follow a failure
share one limit: those of the same request, and those of every request until no failure has occurred
for DOUBT_SECONDS. In normal operation a long request is not cut short.

Code that goes on after a database error calls `note_no_answer`. What the worker can do as well is
done in `limit_optional_work`, so that a slow database does not delay the answer for it.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from contextvars import ContextVar

import pymongo

# A request must be answered with 503 within 3 s. The driver may pause 0.5 s beyond its limit.
REQUEST_SECONDS = 2.0
DOUBT_SECONDS = 10.0
# The limit of operations that come after REQUEST_SECONDS. It is over before they begin: then they
# fail at once, while the driver would else wait for a server for 0.5 s. Zero would be no limit.
NO_SECONDS = 1e-9


class DatabaseDoubt:
    """Remembers when the database last failed to answer a request of this process."""

    def __init__(self) -> None:
        self._failed_at = float("-inf")

    def note_failure(self) -> None:
        """Note that the database has just failed to answer."""
        self._failed_at = time.monotonic()

    def exists(self) -> bool:
        """Return whether the database failed within the last DOUBT_SECONDS."""
        return time.monotonic() - self._failed_at < DOUBT_SECONDS


class _RequestLimit:
    """The limit of the operations of one request. There is none until it is set."""

    def __init__(self, doubt: DatabaseDoubt, stack: ExitStack) -> None:
        self.doubt = doubt
        self._stack = stack
        self._deadline = time.monotonic() + REQUEST_SECONDS
        self._is_set = False

    def set(self) -> None:
        """Let the remaining operations end REQUEST_SECONDS after the request has begun."""
        if not self._is_set:
            self._is_set = True
            self._stack.enter_context(pymongo.timeout(self.compute_remaining()))

    def compute_remaining(self) -> float:
        """Return the seconds that are left of REQUEST_SECONDS, at least NO_SECONDS."""
        return max(NO_SECONDS, self._deadline - time.monotonic())


_request_limit: ContextVar[_RequestLimit | None] = ContextVar("request_limit", default=None)


@contextmanager
def limit_request(doubt: DatabaseDoubt) -> Iterator[None]:
    """Limit the operations in this block once one of them fails; at once if there is doubt."""
    with ExitStack() as stack:
        limit = _RequestLimit(doubt, stack)
        if doubt.exists():
            limit.set()
        token = _request_limit.set(limit)
        try:
            yield
        finally:
            _request_limit.reset(token)


@contextmanager
def limit_optional_work() -> Iterator[None]:
    """Let the operations in this block end REQUEST_SECONDS after the request has begun.

    Outside of a request they have no limit but their own.
    """
    limit = _request_limit.get()
    with pymongo.timeout(limit.compute_remaining()) if limit else nullcontext():
        yield


def note_no_answer() -> None:
    """Note that the database did not answer. This does nothing outside of a request."""
    if limit := _request_limit.get():
        limit.doubt.note_failure()
        limit.set()
