"""Listening sockets: workers share their port evenly, and never with another server."""

import socket
import sys
from contextlib import ExitStack

import pytest

from eventapp.core.server.sockets import open_sockets

CONNECTIONS = 64


def count_waiting(listener):
    """Return how many connections wait to be accepted."""
    listener.setblocking(False)
    with ExitStack() as accepted:
        for count in range(CONNECTIONS + 1):
            try:
                accepted.enter_context(listener.accept()[0])
            except BlockingIOError:
                return count
    raise AssertionError("more connections than were opened")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not share a port evenly")
def test_a_burst_of_connections_is_distributed_among_the_workers():
    with ExitStack() as opened:
        sockets = [opened.enter_context(each) for each in open_sockets("127.0.0.1", 0, 2)]
        address = sockets[0].getsockname()
        for _ in range(CONNECTIONS):
            opened.enter_context(socket.create_connection(address))
        counts = [count_waiting(listener) for listener in sockets]
    assert sum(counts) == CONNECTIONS
    assert min(counts) > CONNECTIONS / 8


@pytest.mark.parametrize("count", [1, 2])
def test_the_port_of_another_server_is_refused(count):
    with ExitStack() as opened:
        first = [opened.enter_context(each) for each in open_sockets("127.0.0.1", 0, count)]
        port = first[0].getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            open_sockets("127.0.0.1", port, count)
