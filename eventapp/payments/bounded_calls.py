"""Bound the time of calls to a payment provider.

A socket's timeout does not bound a call: the lookup of a host name has no timeout, and the timeout
of an answer starts anew with each byte. So each call runs in a thread, and its caller waits no
longer than until a deadline. The call may go on after that. It is the provider's client that ends
it: `BoundedSession` gives no request more time than the call has left.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, TypeVar

from requests import PreparedRequest, RequestException, Response, Session
from requests.adapters import HTTPAdapter

# Calls beyond these wait for a thread. While a provider answers, a few threads serve many requests.
MAX_THREADS = 64

Result = TypeVar("Result")


class CallTimedOut(Exception):
    """A call has not ended by its deadline. It may still have an effect."""


class BoundedCalls:
    """Runs calls in threads of its own, each with the same time limit.

    Attributes:
        seconds: how long a call may take, including the wait for a thread.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        # The threads start with the first call, so an object made before a fork works after it.
        self._threads = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="payment-call")
        self._current = threading.local()

    def run(self, call: Callable[[], Result]) -> Result:
        """Run a call, and return or raise what it returns or raises.

        Raises:
            CallTimedOut: it has not ended in time.
        """
        deadline = time.monotonic() + self.seconds
        future = self._threads.submit(self._run_until, deadline, call)
        wait([future], timeout=self.seconds)
        if not future.done():
            future.cancel()
            raise CallTimedOut
        return future.result()

    def get_seconds_left(self) -> float:
        """Return the time left for the call that this thread runs; 0 or less if it has ended."""
        deadline: float = self._current.deadline
        return deadline - time.monotonic()

    def _run_until(self, deadline: float, call: Callable[[], Result]) -> Result:
        self._current.deadline = deadline
        return call()


class BoundedSession(Session):
    """A session whose requests end with the call that makes them. Threads may share it.

    It follows no redirect, because the request contains the key of the account.
    """

    def __init__(self, calls: BoundedCalls, connect_seconds: float, read_seconds: float) -> None:
        """Create a session for the requests of these calls.

        Args:
            connect_seconds, read_seconds: the longest that a request may wait for a connection, and
                for each part of the answer, so that a lost answer leaves time to ask again.
        """
        super().__init__()
        # Without this, a password of a .netrc file would replace the key in the header.
        self.auth = _leave_authorization
        self._calls = calls
        self._limits = connect_seconds, read_seconds
        for scheme in ("http://", "https://"):
            self.mount(scheme, HTTPAdapter(pool_maxsize=MAX_THREADS))

    def request(self, *args: Any, **kwargs: Any) -> Response:
        """Send a request as `requests.Session.request` does, within the time that is left.

        Raises:
            RequestException: there is no time left.
        """
        seconds_left = self._calls.get_seconds_left()
        if seconds_left <= 0:
            raise RequestException("no time left for a request")
        connect_seconds, read_seconds = (min(limit, seconds_left) for limit in self._limits)
        bounds = {"timeout": (connect_seconds, read_seconds), "allow_redirects": False}
        return super().request(*args, **{**kwargs, **bounds})


def _leave_authorization(prepared: PreparedRequest) -> PreparedRequest:
    return prepared
