"""Run Granian on sockets that are opened here, and replace workers whenever they crash.

This module overrides private methods of Granian, so its version is pinned exactly, and
tests/unit/test_granian_server.py fails when an update changes one of them.
"""

import signal
import socket
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from flask import Flask
from granian import Granian, wsgi
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LOGGING_CONFIG, LogLevels
from granian.net import SocketHolder  # type: ignore[attr-defined]
from granian.server import mp
from prometheus_client.multiprocess import mark_process_dead

from eventapp.core.server.open_requests import OpenRequests
from eventapp.core.server.resources import MAX_CONNECTIONS, THREADS
from eventapp.core.server.sockets import BACKLOG

# The head of a request may have this many bytes. By default a connection may use 400 kB for it.
MAX_HEAD_BYTES = 64 * 1024
STOP_SECONDS = 30  # how long requests under way may take after SIGTERM
# A thread that is idle for this long ends, such as that of a closed stream. This is the least time
# that Granian allows.
IDLE_THREAD_SECONDS = 5
# A worker that ends by itself within this time has failed to start. After this many failures in a
# row no worker can start, and the server ends.
START_SECONDS, MAX_FAILED_STARTS = 5.0, 3
STOPPED_FROM_OUTSIDE = (0, -signal.SIGKILL, -signal.SIGTERM)


class GranianServer(Granian):  # type: ignore[misc, valid-type, unused-ignore]
    """Granian that listens on sockets of the main process, and replaces every dead worker.

    Granian itself opens its sockets so that two servers can share a port unnoticed, and it ends the
    server when a worker is killed twice within 5.5 s.
    """

    def __init__(self, workers: int, listeners: list[socket.socket]) -> None:
        """Configure the server for a number of worker processes and the sockets for them."""
        super().__init__(
            "wsgi:app",
            interface=Interfaces.WSGI,
            # HTTP/2 would cost each stream 11 kB, and proxies do not use it towards a server.
            http=HTTPModes.http1,
            http1_settings=HTTP1Settings(max_buffer_size=MAX_HEAD_BYTES),
            workers=workers,
            blocking_threads=THREADS,
            blocking_threads_idle_timeout=IDLE_THREAD_SECONDS,
            backpressure=MAX_CONNECTIONS,
            websockets=False,
            workers_kill_timeout=STOP_SECONDS,
            log_level=LogLevels.error,
            log_dictconfig=_log_to_stderr(),
        )
        self._listeners = listeners
        self._failed_starts = 0

    def serve_app(self, load_app: Callable[[int], Flask], requests: OpenRequests) -> None:
        """Serve until SIGTERM or SIGINT arrives.

        Args:
            load_app: called in each worker with its number, from 0, to get its application.
            requests: lists the open requests of each worker, in the worker.
        """

        def make_handler(*arguments: Any) -> Any:
            return requests.track(wsgi._callback_wrapper(*arguments))

        mp._wsgi_call_wrap = make_handler  # type: ignore[attr-defined, assignment]
        self.serve(target_loader=load_app, wrap_loader=False)

    def _init_shared_socket(self) -> None:
        """Open no socket, because `_spawn_worker` gives each worker one that is open already."""
        self._ssp, self._sso = None, None

    def _spawn_worker(self, idx: int, target: Any, callback_loader: Any) -> Any:
        """Start a worker that listens on the socket of its index."""
        number = idx % self.workers
        listener = self._listeners[number % len(self._listeners)]
        is_unix_socket = False
        arguments = (listener.fileno(), is_unix_socket, BACKLOG)
        self._shd = SocketHolder(*arguments)  # type: ignore[call-arg]
        return super()._spawn_worker(idx, target, partial(callback_loader, number))

    def _serve_loop(self, spawn_target: Any, target_loader: Any) -> None:
        """Replace dead workers until a signal arrives, or until no worker can start."""
        while True:
            self.main_loop_interrupt.wait()
            # The event is cleared before the workers are checked. A worker that dies during the
            # check sets it again.
            self.main_loop_interrupt.clear()
            if self.interrupt_signal or self.reload_signal:
                self.interrupt_children.clear()
                return
            dead = [worker for worker in self.wrks if not worker.is_alive()]
            self._count_failed_starts(dead)
            if self._failed_starts >= MAX_FAILED_STARTS:
                sys.stderr.write("eventapp: the server processes cannot start\n")
                return
            for worker in dead:
                mark_process_dead(worker.inner.pid)  # type: ignore[no-untyped-call]
            self.interrupt_children.clear()
            self._respawn_workers([worker.idx for worker in dead], spawn_target, target_loader)

    def _count_failed_starts(self, dead: list[Any]) -> None:
        """Count the dead workers that failed to start, since the last one that ended later."""
        for worker in dead:
            if worker.inner.exitcode in STOPPED_FROM_OUTSIDE:
                continue
            failed_to_start = time.monotonic() - worker.birth < START_SECONDS
            self._failed_starts = self._failed_starts + 1 if failed_to_start else 0


def _log_to_stderr() -> dict[str, Any]:
    """Return Granian's configuration of logging, with every handler on standard error."""
    handlers: dict[str, dict[str, str]] = LOGGING_CONFIG["handlers"]  # type: ignore[assignment]
    stderr = {"stream": "ext://sys.stderr"}
    return {"handlers": {name: {**handler, **stderr} for name, handler in handlers.items()}}
