"""A proxy to a database that loses the reply to one command."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.live import TcpProxy


class Loss:
    """The reply to lose.

    Attributes:
        is_done: whether the command has come, so that its reply is lost.
    """

    def __init__(self, command: str, number: int, *, closes: bool) -> None:
        # A command is a BSON document whose first field, a string, is its name.
        self._name = b"\x02" + command.encode() + b"\x00"
        self._remaining, self.closes, self.is_done = number, closes, False

    def examine(self, request: bytes) -> bool:
        """Return whether the reply to this request is to be lost."""
        if not self.is_done and self._name in request:
            self._remaining -= 1
            self.is_done = self._remaining == 0
            return self.is_done
        return False


class ReplyLosingProxy(TcpProxy):
    """A proxy that can lose a reply: the server performs the command, the client hears nothing."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port)
        self._loss: Loss | None = None
        self._mute: set[socket.socket] = set()

    @contextmanager
    def losing(self, command: str, number: int, *, closes: bool = True) -> Iterator[Loss]:
        """Lose the reply to the command of this name and number, counted from now on.

        Args:
            closes: close the connection instead of the reply; False to keep it open and silent.
        """
        self._loss = Loss(command, number, closes=closes)
        try:
            yield self._loss
        finally:
            self._loss = None

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            is_request = target.getpeername()[1] == self.target[1]
            while data := source.recv(65536):
                loss = self._loss
                if is_request and loss and loss.examine(data):
                    self._mute.add(target)
                if not is_request and source in self._mute:
                    if loss is None or loss.closes:
                        break
                    continue
                target.sendall(data)
            target.shutdown(socket.SHUT_RDWR)
