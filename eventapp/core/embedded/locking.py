"""The locks of the embedded store: one process per directory, one operation at a time."""

import fcntl
import os
import threading
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from pymongo.errors import InvalidOperation

Method = TypeVar("Method", bound=Callable[..., Any])


class EmbeddedStoreBusy(Exception):  # noqa: N818 (The name describes a state.)
    """Another process, or another client in this one, has the directory open."""

    def __init__(self, directory: Path | None) -> None:
        super().__init__(
            f"The embedded store serves one process, and {directory} is in use by another; "
            "set MONGO_URI to run more than one."
        )


def lock_directory(directory: Path) -> int:
    """Lock the directory for this process, and create it if it is missing.

    Returns:
        A file descriptor. Closing it releases the lock.

    Raises:
        EmbeddedStoreBusy: another process, or another client in this one, has the lock.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(directory / "embedded.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise EmbeddedStoreBusy(directory) from error
    return descriptor


def check_directory_is_free(directory: Path) -> None:
    """Raise EmbeddedStoreBusy if a process has the directory open; create it if it is missing."""
    os.close(lock_directory(directory))


class StoreLock:
    """The lock of a client. It cannot be taken in a fork, or when the client is closed.

    Attributes:
        mutex: the lock itself, for code that must skip these checks.
        is_closed: whether operations are refused; written under `mutex`.
        after_operation: called after each operation, without the lock, unless it is None.
    """

    def __init__(self, directory: Path | None) -> None:
        self.mutex = threading.RLock()
        self.is_closed = False
        self.after_operation: Callable[[], None] | None = None
        self._depth = 0  # how many operations, one inside the other, hold the lock
        self._directory = directory
        self._process = os.getpid()

    @property
    def is_in_fork(self) -> bool:
        """Whether this is a child of the process that opened the directory."""
        return self._directory is not None and os.getpid() != self._process

    def __enter__(self) -> None:
        # A fork has a copy of the documents, but no thread that saves them.
        if self.is_in_fork:
            raise EmbeddedStoreBusy(self._directory)
        self.mutex.acquire()
        if self.is_closed:
            self.mutex.release()
            raise InvalidOperation("Cannot use EmbeddedClient after close")
        self._depth += 1

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        is_outermost = self._depth == 0
        self.mutex.release()
        if is_outermost and self.after_operation:
            self.after_operation()


class HasLock(Protocol):
    """An object whose methods may be made atomic with `locked`. The lock is that of its client."""

    _lock: StoreLock


def locked(method: Method) -> Method:
    """Make a method atomic: no other operation of the client runs meanwhile."""

    @wraps(method)
    def run_under_lock(self: HasLock, *args: Any, **kwargs: Any) -> Any:
        with self._lock:
            return method(self, *args, **kwargs)

    return cast(Method, run_under_lock)
