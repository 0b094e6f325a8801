"""The threads, connections, open files and memory arenas of a server process."""

import ctypes
import os
import resource

from eventapp.core.streams.connection_limits import MAX_STREAMS

# Each stream occupies a thread that only waits. The other threads are for requests, most of which
# wait for a permit under load: see core.server.middleware.
THREADS = MAX_STREAMS + 132
MAX_CONNECTIONS = 4_096
# The parameter of glibc's mallopt that limits the number of arenas, and its value here. By default
# there are up to 8 arenas for each core.
M_ARENA_MAX, MAX_ARENAS = -8, 2


def raise_open_file_limit() -> None:
    """Allow two open files for each of MAX_CONNECTIONS, or as many as the hard limit permits."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * MAX_CONNECTIONS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def limit_malloc_arenas() -> None:
    """Limit the memory arenas of glibc, unless MALLOC_ARENA_MAX is set.

    Threads that are blocked on the GIL do not need an arena of their own. Without glibc, this does
    nothing.
    """
    c_library = ctypes.CDLL(None)
    if hasattr(c_library, "mallopt") and "MALLOC_ARENA_MAX" not in os.environ:
        c_library.mallopt(M_ARENA_MAX, MAX_ARENAS)
