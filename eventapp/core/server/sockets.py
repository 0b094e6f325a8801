"""The sockets that the server's workers listen on."""

import socket
import sys
from typing import Any

# How many connections wait to be accepted. A client that opens thousands at once must not fill the
# queue: the connections of others would be tried again after a second. Systems may allow less.
BACKLOG = 4096
# The kernel closes a connection if the client has not acknowledged data for this long, because it
# has stopped reading or disappeared. That frees the thread of a stream.
UNACKNOWLEDGED_MS = 20_000


def open_sockets(host: str, port: int, count: int) -> list[socket.socket]:
    """Open sockets that listen on one port. The system distributes connections among them.

    If all workers waited on one socket, the first to wake up would accept a whole burst of
    connections. The main process keeps the sockets open, so that no client is refused while a dead
    worker is replaced.

    Args:
        count: the number of workers.

    Returns:
        One socket for each worker on Linux, and one for all workers on other systems, which do not
        distribute connections evenly.

    Raises:
        OSError: for example, another server has the port.
    """
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    family, _type, _protocol, _name, address = addresses[0]
    # The first socket does not share its port yet, so this fails if another server listens.
    first = _bind(family, address[:2])
    sockets = [first]
    if sys.platform == "linux":
        first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound_address = first.getsockname()[:2]
        sockets += [_bind(family, bound_address, share_port=True) for _ in range(1, count)]
    for each in sockets:
        each.listen(BACKLOG)
    return sockets


def _bind(family: int, address: Any, *, share_port: bool = False) -> socket.socket:
    """Return a bound socket with the options that its connections inherit."""
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    if share_port:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS)
    # Granian sends headers and body in two writes. The second must not wait until the first is
    # acknowledged, which takes a client up to 40 ms on a connection that is kept alive.
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    bound.bind(address)
    return bound
