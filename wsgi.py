"""The WSGI entry: `app` for any server, and `python wsgi.py` to serve it with Granian."""

import ctypes
import gc
import multiprocessing
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterable
from contextlib import ExitStack
from functools import partial
from multiprocessing.util import Finalize
from typing import TYPE_CHECKING, Any, NoReturn

if __name__ == "__main__":
    # prometheus_client looks when it is first imported, below, whether figures are shared.
    FIGURES = tempfile.mkdtemp(prefix="eventapp-")
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = FIGURES
    # And Granian's allocator, how to share memory out: it would keep some free for each thread, of
    # which 1,000 streams have so many; 60 MB, and 70 more once requests had run on them.
    os.environ.setdefault("_RJEM_MALLOC_CONF", "tcache:false")

from flask import Flask
from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.log import LOGGING_CONFIG, LogLevels
from granian.net import SocketHolder  # type: ignore[attr-defined]
from prometheus_client.multiprocess import mark_process_dead

from eventapp import create_app, start_jobs
from eventapp.config import Config, ConfigError, load_config
from eventapp.core.database import OPEN_DATABASE
from eventapp.core.embedded import EmbeddedStoreBusy, check_directory_is_free
from eventapp.core.server.request_gate import (
    CONNECTIONS,
    THREADS,
    allow_connections,
    before_end,
    gated,
)
from eventapp.core.server.sockets import BACKLOG, open_sockets
from eventapp.core.shared_cache import open_shared_cache
from eventapp.core.streams.hub import HUB
from eventapp.events.popularity import POPULARITY

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

STOP_SECONDS, PARENT_CHECK_SECONDS = 30, 0.5
IDLE_SECONDS = 5  # Granian's least: then a thread goes, as those of streams that have ended
# A worker that ends by itself so soon, so many times in a row, cannot start at all.
STARTING_SECONDS, MAX_FAILED_STARTS = 5.0, 3
ENDED_FROM_OUTSIDE = (0, -signal.SIGKILL, -signal.SIGTERM)
BUSY_EXIT, CONFIG_EXIT = 1, 2
DRAIN_BYTES, MAX_DRAINED_BYTES = 64 * 1024, 32 * 1024 * 1024
# glibc's mallopt: so many heaps at most, for all threads. It would make eight for each core.
M_ARENA_MAX, HEAPS = -8, 2


def say(words: object) -> None:
    print(f"eventapp: {words}", file=sys.stderr, flush=True)


def stop(reason: object, code: int) -> NoReturn:
    """End with one line on standard error."""
    say(reason)
    raise SystemExit(code)


def load() -> Config:
    """The settings, or one line on standard error and exit 2."""
    try:
        return load_config()
    except ConfigError as error:
        stop(error, CONFIG_EXIT)


def open_app(config: Config) -> Flask:
    """The application, or one line on standard error and exit 1 where its store is taken."""
    try:
        app = create_app(config)
    except EmbeddedStoreBusy as error:
        stop(error, BUSY_EXIT)
    app.wsgi_app = drained(app.wsgi_app)  # type: ignore[assignment, method-assign]
    return app


def drained(inner: "WSGIApplication") -> "WSGIApplication":
    """Read what a refused body has left: closing on a sender would reset, and lose, the answer."""

    def outer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        answer = inner(environ, start_response)
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            left = MAX_DRAINED_BYTES
            while left > 0 and (read := len(environ["wsgi.input"].read(DRAIN_BYTES))):
                left -= read
        return answer

    return outer


def check_store(config: Config) -> None:
    """Stop here, before any worker starts, where another process has the embedded store."""
    if config.mongo_uri:
        return
    try:
        check_directory_is_free(config.instance_dir)
    except EmbeddedStoreBusy as error:
        stop(error, BUSY_EXIT)


def check_cache(config: Config) -> None:
    """Stop here, before any worker starts, if CACHE_URL is invalid."""
    try:
        open_shared_cache(config.cache_url, config.jwt_secret)
    except ConfigError as error:
        stop(error, CONFIG_EXIT)


def listen(config: Config) -> list[socket.socket]:
    """A listening socket for each worker, or one line on standard error and exit 1."""
    try:
        return open_sockets(config.host, config.port, config.web_concurrency)
    except OSError as error:
        why = str(error.strerror).partition(" (")[0]
        stop(f"cannot listen on {config.host}:{config.port}: {why}", BUSY_EXIT)


def start_worker(config: Config) -> Flask:
    """What each worker, a fork of the main process, does first."""
    os.setpgrp()  # Ctrl-C is the main process's to hear: it then stops the workers
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)  # until Granian sets its own, not the parent's
    threading.Thread(target=end_with_parent, args=(os.getppid(),), daemon=True).start()
    app = open_app(config)
    app.wsgi_app = gated(app.wsgi_app)  # type: ignore[assignment, method-assign]
    before_end(HUB.get(app).close)
    start_jobs(app)
    popularity = POPULARITY.get(app)
    popularity.start()
    # A forked worker runs no atexit handlers, so the store would not write its last changes.
    Finalize(None, popularity.stop, exitpriority=2)  # before the store closes
    Finalize(None, OPEN_DATABASE.get(app).client.close, exitpriority=1)
    return app


def end_with_parent(parent: int) -> None:
    """Stop when the main process is gone: an orphan would keep the port and the store."""
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


class Server(Granian):  # type: ignore[misc, valid-type, unused-ignore]
    """Granian on listening sockets of ours, replacing dead workers however often they die.

    Granian itself opens the sockets in the workers, so that two servers could share a port
    unknowingly, and it ends the server when a worker is killed twice within 5.5 s.
    """

    def __init__(self, config: Config, listeners: list[socket.socket]) -> None:
        super().__init__(
            "wsgi:app",
            interface=Interfaces.WSGI,
            http=HTTPModes.http1,  # HTTP/2 would cost every stream 11 kB, and proxies don't use it
            workers=config.web_concurrency,
            blocking_threads=THREADS,
            blocking_threads_idle_timeout=IDLE_SECONDS,
            backpressure=CONNECTIONS,
            websockets=False,
            workers_kill_timeout=STOP_SECONDS,
            log_level=LogLevels.error,
            log_dictconfig=_log_to_stderr(),
        )
        self._listeners = listeners
        self._failed_starts = 0

    def _init_shared_socket(self) -> None:
        self._ssp, self._sso = None, None

    def _spawn_worker(self, idx: int, target: Any, callback_loader: Any) -> Any:
        held = (self._listeners[idx % len(self._listeners)].fileno(), False, BACKLOG)
        self._shd = SocketHolder(*held)  # type: ignore[call-arg]
        return super()._spawn_worker(idx, target, callback_loader)

    def _serve_loop(self, spawn_target: Any, target_loader: Any) -> None:
        while True:
            self.main_loop_interrupt.wait()
            # Cleared before looking: a worker that dies meanwhile sets it again.
            self.main_loop_interrupt.clear()
            if self.interrupt_signal or self.reload_signal:
                self.interrupt_children.clear()
                return
            dead = [worker for worker in self.wrks if not worker.is_alive()]
            if self._cannot_start(dead):
                say("the server processes cannot start")
                return
            for worker in dead:
                mark_process_dead(worker.inner.pid)  # type: ignore[no-untyped-call]
            self.interrupt_children.clear()
            self._respawn_workers([worker.idx for worker in dead], spawn_target, target_loader)

    def _cannot_start(self, dead: list[Any]) -> bool:
        for worker in dead:
            if worker.inner.exitcode in ENDED_FROM_OUTSIDE:
                continue
            soon = time.monotonic() - worker.birth < STARTING_SECONDS
            self._failed_starts = self._failed_starts + 1 if soon else 0
        return self._failed_starts >= MAX_FAILED_STARTS


def _log_to_stderr() -> dict[str, Any]:
    handlers: dict[str, dict[str, str]] = LOGGING_CONFIG["handlers"]  # type: ignore[assignment]
    there = {"stream": "ext://sys.stderr"}
    return {"handlers": {name: {**handler, **there} for name, handler in handlers.items()}}


def share_heaps() -> None:
    """Let threads share their heaps, where the C library can: who waits for Python needs no own."""
    c_library = ctypes.CDLL(None)
    if hasattr(c_library, "mallopt") and "MALLOC_ARENA_MAX" not in os.environ:
        c_library.mallopt(M_ARENA_MAX, HEAPS)


def serve(config: Config) -> None:
    """Serve until SIGTERM or SIGINT; requests under way finish first."""
    check_store(config)
    check_cache(config)
    allow_connections()
    share_heaps()
    with ExitStack() as open_until_the_end:
        listeners = [open_until_the_end.enter_context(listener) for listener in listen(config)]
        store = "MongoDB" if config.mongo_uri else f"the embedded store in {config.instance_dir}"
        say(f"http://{config.host}:{config.port} on {store}")
        multiprocessing.set_start_method("fork")  # from 3.14 on Python would start afresh
        gc.freeze()  # what is imported so far stays shared between the forks
        start = partial(start_worker, config)
        Server(config, listeners).serve(target_loader=start, wrap_loader=False)


if __name__ == "__main__":
    try:
        serve(load())
    finally:
        shutil.rmtree(FIGURES, ignore_errors=True)
else:
    app = open_app(load())
