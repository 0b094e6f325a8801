"""The sockets that the server's workers listen on."""

import socket
import sys
from typing import Any

BACKLOG = 1024
# What is sent to a client that has stopped reading, or is gone without a word, is given up after
# so many milliseconds, and the line is closed: that frees the thread of a stream.
UNREAD_MS = 20_000


def open_sockets(host: str, port: int, count: int) -> list[socket.socket]:
    """A listening socket for each worker, all on one port, as the system shares connections out.

    On one socket that all workers wait for, the first to wake takes a whole crowd, and the others
    stand idle. The main process keeps these open, so that nobody is turned away while a dead
    worker is replaced. Where a system does not share evenly, there is one socket for all.

    Raises:
        OSError: as where another server has the port.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    family, _type, _protocol, _name, address = found[0]
    first = _bound(family, address[:2])  # not shared yet: fails where another server listens
    sockets = [first]
    if sys.platform == "linux":
        first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        here = first.getsockname()[:2]
        sockets += [_bound(family, here, shared=True) for _ in range(1, count)]
    for each in sockets:
        each.listen(BACKLOG)
    return sockets


def _bound(family: int, address: Any, *, shared: bool = False) -> socket.socket:
    """A socket with all that its connections are to inherit."""
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    if shared:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_MS)
    # Headers and body leave in two writes: the second may not wait until the first is acknowledged,
    # which on a connection kept alive takes a client 40 ms.
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    bound.bind(address)
    return bound
