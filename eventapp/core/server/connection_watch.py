"""Limit connections that have no request in work, and the time in which a body must arrive.

Granian answers a request with a thread, and accepts at most MAX_CONNECTIONS connections. A client
could use up both: it opens connections and sends nothing, or sends the first part of a request.
One thread of each process therefore checks the connections several times a second:

- A request whose body is not complete after BODY_SECONDS is answered 408, and its connection is
  ended. If very many bodies are received at once, the oldest ones of the address with most of them
  are ended sooner.
- Of an address with more connections without a request in work than the settings allow, the ones
  that have been quiet for longest are ended. An IPv6 address counts as its /64 network.

Granian does not say which connection a request came from. The connection of a cancelled request is
recognized by its answer: it is the one that has sent exactly as many bytes since. The number of
connections without a request in work is exact. Which ones they are follows from what the kernel
knows: when data was last sent or received. This can be wrong only for an address that is over its
limit.
"""

import bisect
import math
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence

import structlog

from eventapp.core.access.proxies import ProxyAddresses
from eventapp.core.access.rate_limits import find_client_network
from eventapp.core.server.connections import (
    Connection,
    can_list_connections,
    count_open_files,
    list_connections,
)
from eventapp.core.server.open_requests import TIMEOUT_ANSWER_BYTES, OpenRequest, OpenRequests
from eventapp.core.server.resources import MAX_CONNECTIONS, MAX_RECEIVED_AT_ONCE

BODY_SECONDS = 15.0
CHECK_SECONDS = 0.1
# Connections that are within the limits, such as those of a proxy, are looked at again after this
# time, or when there are this many more. To look at a connection takes about 10 microseconds.
RECHECK_SECONDS, RECHECK_GROWTH = 1.0, 32
# A connection that has been quiet for less may be between two requests.
MIN_QUIET_SECONDS = 0.2
# A connection with a part of a request that has been quiet for less may wait for a thread. If very
# many connections are open, MIN_QUIET_SECONDS holds for it too.
MIN_PARTIAL_QUIET_SECONDS = 2.0
# How far the times of a request and of its connection may be apart.
TOLERANCE_SECONDS = 0.3
# Each time that requests are cancelled, the bytes sent by all connections are remembered, for as
# many times, until all cancelled requests have ended.
REMEMBERED_CANCELS = 20

log = structlog.get_logger()


class ConnectionWatch:
    """The thread that limits connections, and what it has found out."""

    def __init__(
        self, port: int, requests: OpenRequests, max_per_address: int, proxies: ProxyAddresses
    ) -> None:
        """Prepare the watch of the connections that this process accepts on a port.

        Args:
            max_per_address: how many connections without a request in work an address may have.
            proxies: the addresses without a limit.
        """
        self._port, self._requests = port, requests
        self._max_per_address, self._proxies = max_per_address, proxies
        # When the connections were last found within the limits, and the count of open files then.
        self._found_few_at, self._found_few = -math.inf, 0
        # The bytes that each connection had sent when requests were cancelled, for the last times.
        self._bytes_before: deque[dict[tuple[str, int], int]] = deque(maxlen=REMEMBERED_CANCELS)

    def start(self) -> None:
        """Begin to check, except on systems that do not list the connections of a process."""
        if can_list_connections():
            threading.Thread(target=self._run, name="connections", daemon=True).start()

    def _run(self) -> None:
        while True:
            time.sleep(CHECK_SECONDS)
            try:
                self.check()
            except OSError as error:  # For example, the process has no file descriptor left.
                log.warning("cannot check connections", error=str(error))

    def check(self) -> None:
        """Cancel and end what is over a limit."""
        requests = self._requests.list()
        receiving = [each for each in requests if each.receiving_since is not None]
        # The connection of a cancelled request ends soon, so it counts as if it were in work.
        cancelled = [each for each in receiving if each.is_cancelled]
        in_work = [each for each in requests if each.receiving_since is None] + cancelled
        receiving = [each for each in receiving if not each.is_cancelled]
        self._end_cancelled(cancelled)
        to_cancel = choose_bodies_to_cancel(receiving, time.monotonic())
        # Open files that are no connections of clients count too, so this is an upper limit.
        waiting_count = count_open_files() - len(in_work)
        if waiting_count > self._max_per_address and self._may_be_too_many(waiting_count):
            to_cancel += self._limit_waiting(in_work, receiving)
        self._cancel(to_cancel)

    def _may_be_too_many(self, waiting_count: int) -> bool:
        """Return False if the connections were within the limits shortly before."""
        is_recent = time.monotonic() - self._found_few_at < RECHECK_SECONDS
        return not is_recent or waiting_count > self._found_few + RECHECK_GROWTH

    def _cancel(self, requests: Sequence[OpenRequest]) -> None:
        """Answer requests whose bodies are not complete. The next check ends their connections."""
        if requests:
            connections = list_connections(self._port)
            self._bytes_before.append({each.peer: each.bytes_sent for each in connections})
            count = sum(each.cancel() for each in requests)
            log.warning("requests cancelled because their bodies did not arrive", count=count)

    def _end_cancelled(self, cancelled: Sequence[OpenRequest]) -> None:
        """End the connections whose cancelled requests have been answered since `_cancel`."""
        if not cancelled:
            self._bytes_before.clear()
            return
        addresses = {each.address for each in cancelled}
        for connection in list_connections(self._port):
            if connection.peer[0] in addresses and self._has_been_cancelled(connection):
                connection.shut_down()

    def _has_been_cancelled(self, connection: Connection) -> bool:
        before = connection.bytes_sent - TIMEOUT_ANSWER_BYTES
        return any(each.get(connection.peer) == before for each in self._bytes_before)

    def _limit_waiting(
        self, in_work: Sequence[OpenRequest], receiving: Sequence[OpenRequest]
    ) -> list[OpenRequest]:
        """End connections of every address that has too many without a request in work.

        Returns:
            The requests to cancel, whose connections are among those that are too many.
        """
        connections = list_connections(self._port)
        by_network: dict[str, list[Connection]] = defaultdict(list)
        for connection in connections:
            if connection.is_established and not self._proxies.contains(connection.peer[0]):
                by_network[find_client_network(connection.peer[0])].append(connection)
        in_work_by_network = _group(in_work)
        receiving_by_network = _group(receiving)
        is_crowded = len(connections) > MAX_CONNECTIONS // 2
        min_quiet = MIN_QUIET_SECONDS if is_crowded else MIN_PARTIAL_QUIET_SECONDS
        to_cancel: list[OpenRequest] = []
        self._found_few_at = now = time.monotonic()
        self._found_few = count_open_files() - len(in_work)
        for network, own in by_network.items():
            busy = in_work_by_network[network]
            excess = len(own) - len(busy) - self._max_per_address
            if excess > 0:
                self._found_few_at = -math.inf
                waiting = choose_waiting(own, busy, now)
                # Those that have been quiet for a moment only are counted once it is longer.
                excess = max(0, min(excess, len(waiting) - self._max_per_address))
                own_receiving = receiving_by_network[network]
                to_cancel += end_some(waiting, own_receiving, excess, now - min_quiet)
        return to_cancel


def end_some(
    waiting: Sequence[Connection],
    receiving: Sequence[OpenRequest],
    count: int,
    quiet_before: float,
) -> list[OpenRequest]:
    """End up to `count` connections of one address: first idle ones, then others.

    Args:
        waiting: the connections without a request in work, quiet for longest first.
        receiving: the requests of the address whose bodies are not complete.
        quiet_before: since when a connection with a part of a request must have been quiet, in
            seconds of `time.monotonic`.

    Returns:
        The requests to cancel, whose connections are among the `count`.
    """
    unused = [each for each in waiting if not each.bytes_received]
    # An open stream looks like a connection whose last request was answered, so these come second.
    idle = unused + [each for each in waiting if each.bytes_received and each.is_answered]
    # The others have sent a part of a request: of its body or, if it is no request yet, its head.
    # A request that waits for a thread looks the same, so these are not ended at once.
    partial = [
        each
        for each in waiting
        if each.bytes_received and not each.is_answered and each.quiet_since <= quiet_before
    ]
    to_cancel = sorted(receiving, key=lambda each: each.receiving_since or 0.0)
    to_cancel = to_cancel[: max(0, count - len(idle))]
    head_count = min(count - len(idle) - len(to_cancel), len(partial) - len(receiving))
    for connection in idle[:count] + partial[: max(0, head_count)]:
        connection.shut_down()
    return to_cancel


def choose_bodies_to_cancel(receiving: Iterable[OpenRequest], now: float) -> list[OpenRequest]:
    """Return the requests that take too long to arrive, or are too many, oldest first.

    Args:
        now: seconds of `time.monotonic`.
    """
    by_age = sorted(
        (each for each in receiving if not each.is_cancelled),
        key=lambda each: each.receiving_since or now,
    )
    late = [each for each in by_age if now - (each.receiving_since or now) >= BODY_SECONDS]
    others = by_age[len(late) :]
    by_network = _group(others)
    for _ in range(len(others) - MAX_RECEIVED_AT_ONCE):
        largest = max(by_network.values(), key=len)
        late.append(largest.pop(0))
    return late


def choose_waiting(
    connections: Iterable[Connection], in_work: Iterable[OpenRequest], now: float
) -> list[Connection]:
    """Return the connections of an address that have no request in work, quiet for longest first.

    Args:
        connections: all connections of the address.
        in_work: its requests in work.
        now: seconds of `time.monotonic`.
    """
    quiet_before = now - MIN_QUIET_SECONDS
    waiting = [each for each in connections if each.quiet_since <= quiet_before]
    waiting.sort(key=lambda each: each.quiet_since)
    # The connection of a request in work has been quiet since the request arrived or, for a
    # stream, since its last part was sent.
    for request in in_work:
        at = request.active_at
        index = bisect.bisect_left(waiting, at, key=lambda each: each.quiet_since)
        near = [each for each in (index - 1, index) if 0 <= each < len(waiting)]
        nearest = min(near, key=lambda each: abs(waiting[each].quiet_since - at), default=None)
        if nearest is not None and abs(waiting[nearest].quiet_since - at) <= TOLERANCE_SECONDS:
            del waiting[nearest]
    return waiting


def _group(requests: Iterable[OpenRequest]) -> defaultdict[str, list[OpenRequest]]:
    """Return requests by the network of their address."""
    grouped: defaultdict[str, list[OpenRequest]] = defaultdict(list)
    for request in requests:
        grouped[find_client_network(request.address)].append(request)
    return grouped
