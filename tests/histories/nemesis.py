"""The faults that happen while a history is recorded, in an order that a seed decides."""

import os
import random
import signal
import threading
import time
from contextlib import suppress

COMMANDS = ("insert", "update", "findAndModify", "find")


def kill(server, proxy, source):
    """Kill a worker; the server starts another."""
    with suppress(ProcessLookupError, IndexError):
        os.kill(source.choice(server.workers()), signal.SIGKILL)


def pause(server, proxy, source):
    """Suspend a worker for up to 3 s."""
    with suppress(ProcessLookupError, IndexError):
        worker = source.choice(server.workers())
        os.kill(worker, signal.SIGSTOP)
        try:
            time.sleep(source.uniform(0.2, 3))
        finally:
            os.kill(worker, signal.SIGCONT)


def delay(server, proxy, source):
    """Hold back everything between the server and its database for up to 2 s."""
    proxy.stall()
    time.sleep(source.uniform(0.1, 2))
    proxy.restore()


def cut(server, proxy, source):
    """Close all connections to the database, and refuse new ones for up to a second."""
    proxy.cut()
    time.sleep(source.uniform(0, 1))
    proxy.restore()


def lose(server, proxy, source):
    """Let the database perform a command and lose its reply."""
    with proxy.losing(source.choice(COMMANDS), source.randint(1, 5), closes=source.random() < 0.7):
        time.sleep(source.uniform(0.3, 1.5))


FAULTS = {fault.__name__: fault for fault in (kill, pause, delay, cut, lose)}


class Nemesis:
    """A thread that causes faults until the block is left.

    Attributes:
        caused: the names of the faults, in order.
    """

    def __init__(self, server, proxy, names, seed):
        self._server, self._proxy, self._names = server, proxy, sorted(names)
        self._source, self.caused = random.Random(seed), []
        self._stop, self._thread = threading.Event(), threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        """Wait until the last fault is over."""
        self._stop.set()
        self._thread.join()

    def _run(self):
        while self._names and not self._stop.wait(self._source.uniform(0.5, 2)):
            name = self._source.choice(self._names)
            self.caused.append(name)
            FAULTS[name](self._server, self._proxy, self._source)
