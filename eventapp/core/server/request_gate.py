"""How one server process shares its threads between requests and streams, and hears its end."""

import os
import queue
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from eventapp.core.streams.connection_limits import MAX_STREAMS

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# Threads, not processes, wait for the database: 16 keep two cores busy.
AT_ONCE = 16
OPENERS, STREAM_PATH = 4, "/stream"
# A stream keeps a thread of its own, which does nothing but wait. The rest is for requests, most
# of which wait at the gate when there are many: they would only get in each other's way.
THREADS = MAX_STREAMS + 132
CONNECTIONS = 4_096
WAKE_SECONDS = 0.1


def gated(inner: "WSGIApplication", at_once: int = AT_ONCE) -> "WSGIApplication":
    """Let so many requests work at once, and begin streams on a few threads beside them.

    A thread keeps the memory that its deepest call once took. So a stream's own thread, one of a
    thousand, is not the one that begins it, and only waits.
    """
    passes: queue.SimpleQueue[None] = queue.SimpleQueue()
    for _ in range(at_once):
        passes.put(None)
    openers = ThreadPoolExecutor(OPENERS, thread_name_prefix="opener")

    def outer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ["PATH_INFO"].endswith(STREAM_PATH):
            answer = openers.submit(inner, environ, start_response).result()
            environ.clear()  # the server would keep it as long as the stream
            return answer
        passes.get()
        try:
            return inner(environ, start_response)
        finally:
            passes.put(None)

    return outer


def allow_connections() -> None:
    """As many open files as connections need, where the system's hard limit allows it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * CONNECTIONS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def before_end(end: Callable[[], None]) -> None:
    """Call `end`, on a thread of its own, when this process is told to stop.

    The server has the handlers of signals, and only waits for answers under way; so this hears of
    signals beside them. To be called from the main thread.

    Python runs handlers on the main thread, and a signal that comes just before that thread begins
    to wait does not wake it: it is woken here, by a signal that does nothing else.
    """
    hear, tell = os.pipe()
    os.set_blocking(tell, False)
    signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    signal.signal(signal.SIGURG, lambda _number, _frame: None)
    told = (hear, end, threading.get_ident())
    threading.Thread(target=_hear, args=told, name="signals", daemon=True).start()


def _hear(hear: int, end: Callable[[], None], main_thread: int) -> None:
    while os.read(hear, 1)[0] not in (signal.SIGTERM, signal.SIGINT):
        continue
    end()
    while True:
        signal.pthread_kill(main_thread, signal.SIGURG)
        time.sleep(WAKE_SECONDS)
