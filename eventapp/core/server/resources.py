"""The threads, connections, open files and memory arenas of a server process."""

import ctypes
import os
import resource

from eventapp.core.streams.connection_limits import MAX_STREAMS

# How many requests may have an incomplete body at once: see core.server.connection_watch.
MAX_RECEIVED_AT_ONCE = 512
# Each stream, and each request with an incomplete body, occupies a thread that only waits. The
# other threads are for requests, most of which wait for a permit under load: see
# core.server.middleware. Threads are created when they are needed.
THREADS = MAX_STREAMS + MAX_RECEIVED_AT_ONCE + 132
MAX_CONNECTIONS = 4_096
# The parameter of glibc's mallopt that limits the number of arenas, and its value here. By default
# there are up to 8 arenas for each core.
M_ARENA_MAX, MAX_ARENAS = -8, 2
# The parameter that returns each larger piece of memory to the system as soon as it is freed. By
# default glibc raises the size up to 32 MB: after six photos it then kept 70 MB, and 12 MB with it.
M_MMAP_THRESHOLD, MMAP_THRESHOLD = -3, 256 * 1024


def raise_open_file_limit() -> None:
    """Allow two open files for each of MAX_CONNECTIONS, or as many as the hard limit permits."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * MAX_CONNECTIONS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def limit_malloc() -> None:
    """Limit the memory that glibc keeps, unless MALLOC_ARENA_MAX or MALLOC_MMAP_THRESHOLD_ is set.

    Threads that are blocked on the GIL do not need an arena of their own. Without glibc, this does
    nothing.
    """
    c_library = ctypes.CDLL(None)
    if not hasattr(c_library, "mallopt"):
        return
    if "MALLOC_ARENA_MAX" not in os.environ:
        c_library.mallopt(M_ARENA_MAX, MAX_ARENAS)
    if "MALLOC_MMAP_THRESHOLD_" not in os.environ:
        c_library.mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD)
