"""Look up the addresses of host names, within a time limit.

`getaddrinfo` cannot be interrupted: it may wait half a minute for a name server that does not
answer. So each lookup runs in a thread, and its caller waits no longer than it has time. The number
of these threads is limited. They do not keep the process from ending.
"""

import socket
import threading
import time
from concurrent.futures import Future

# One attempt to send may leave its lookup running for about six times its own time limit.
MAX_LOOKUPS = 64

# The limit is one of the process, whoever looks up.
_free_threads = threading.BoundedSemaphore(MAX_LOOKUPS)


class HostNotFound(Exception):
    """A host name has no address, or no name server can tell."""


def look_up(host: str, port: int, seconds: float) -> list[str]:
    """Return the addresses of a host, the one to be tried first at the beginning.

    Args:
        host: a name in ASCII.
        seconds: how long to wait, also for a thread.

    Raises:
        HostNotFound: it has none.
        TimeoutError: the lookup has not ended in time.
    """
    deadline = time.monotonic() + seconds
    if not _free_threads.acquire(timeout=max(seconds, 0)):
        raise TimeoutError
    found: Future[list[str]] = Future()
    thread = threading.Thread(
        target=_look_up_for, args=(found, host, port), name="webhook-lookup", daemon=True
    )
    try:
        thread.start()
    except RuntimeError:  # The system has no thread left.
        _free_threads.release()
        raise
    addresses = found.result(max(deadline - time.monotonic(), 0))
    if not addresses:
        raise HostNotFound(host)
    return addresses


def _look_up_for(found: Future[list[str]], host: str, port: int) -> None:
    """Look a host up, and hand over its addresses or HostNotFound."""
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        found.set_result([str(address[0]) for *_kind, address in answers])
    except OSError as error:
        found.set_exception(HostNotFound(f"{host}: {error}"))
    finally:
        _free_threads.release()
