"""List the connections of this process from clients, as the kernel knows them (Linux).

Granian accepts connections by itself and says nothing of them. The kernel lists the open files of a
process, and for a TCP connection the times of the last data and the number of bytes.
"""

import os
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

OPEN_FILES = Path("/proc/self/fd")
_ESTABLISHED = 1  # TCP_ESTABLISHED, a value of the first byte of `struct tcp_info`
# Where `struct tcp_info` of <linux/tcp.h> has tcpi_last_data_sent and tcpi_last_data_recv (in ms),
# tcpi_bytes_received, tcpi_bytes_sent and tcpi_bytes_retrans.
_LAST_SENT, _LAST_RECEIVED, _RECEIVED, _SENT, _SENT_AGAIN = 44, 52, 128, 200, 208
_INFO_BYTES = _SENT_AGAIN + 8


@dataclass(frozen=True)
class Connection:
    """A connection of a client.

    Attributes:
        file: its file descriptor.
        peer: the address and the port of the client.
        quiet_since: when data was last sent or received, in seconds of `time.monotonic`.
        bytes_received: how much the client has sent.
        bytes_sent: how much the server has sent.
        is_answered: whether the server has sent data since the client last did.
        is_established: whether neither side has ended it.
    """

    file: int
    peer: tuple[str, int]
    quiet_since: float
    bytes_received: int
    bytes_sent: int
    is_answered: bool
    is_established: bool

    def shut_down(self) -> None:
        """End the connection, unless its file descriptor belongs to another one by now."""
        try:
            copy = os.dup(self.file)
        except OSError:
            return
        try:
            with _open_socket(copy) as connection:
                if connection.getpeername()[:2] == self.peer:
                    connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # It has ended already.
        # Only a socket is closed: to close a copy of a file would release the locks of that file.
        if str((OPEN_FILES / str(copy)).readlink()).startswith("socket:"):
            os.close(copy)


def can_list_connections() -> bool:
    """Return whether the system has what this module needs."""
    return hasattr(socket, "TCP_INFO") and OPEN_FILES.is_dir()


def count_open_files() -> int:
    """Return how many files and sockets this process has open."""
    return OPEN_FILES.stat().st_size or len(_list_open_files())


def list_connections(port: int) -> list[Connection]:
    """Return the connections that this process has accepted on a port."""
    found = (_inspect(file, port) for file in _list_open_files())
    return [each for each in found if each]


def _list_open_files() -> list[int]:
    with os.scandir(OPEN_FILES) as entries:
        return [int(entry.name) for entry in entries]


def _inspect(file: int, port: int) -> Connection | None:
    try:
        with _open_socket(file) as connection:
            if connection.getsockname()[1] != port:
                return None
            peer = connection.getpeername()[:2]
            info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
    except (OSError, IndexError):  # a file, a listening socket, or one of another kind
        return None
    last_sent, last_received = _unpack("I", info, _LAST_SENT), _unpack("I", info, _LAST_RECEIVED)
    sent = _unpack("Q", info, _SENT) - _unpack("Q", info, _SENT_AGAIN)
    return Connection(
        file=file,
        peer=peer,
        quiet_since=time.monotonic() - min(last_sent, last_received) / 1000,
        bytes_received=_unpack("Q", info, _RECEIVED),
        bytes_sent=sent,
        # Until data is sent, the kernel gives the time at which it accepted the connection.
        is_answered=sent > 0 and last_sent <= last_received,
        is_established=info[0] == _ESTABLISHED,
    )


def _unpack(kind: str, data: bytes, offset: int) -> int:
    number: int = struct.unpack_from(f"={kind}", data, offset)[0]
    return number


@contextmanager
def _open_socket(file: int) -> Iterator[socket.socket]:
    """Use a file descriptor as a socket, without ever closing it."""
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fileno=file)
    try:
        yield opened
    finally:
        opened.detach()
