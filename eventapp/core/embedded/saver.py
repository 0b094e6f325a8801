"""The thread that brings the embedded store's changes to the disk."""

import logging
import os
import sqlite3
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from eventapp.core.embedded.disk import Disk, lock_directory
from eventapp.core.embedded.journal import Batch, Marks, snapshot
from eventapp.core.embedded.storage import ServerStore

_LOG = logging.getLogger(__name__)
_GATHER_SECONDS = 0.1  # how long changes gather before one flush takes them all
_LATE_SECONDS = 0.4  # changes older than this make the callers wait for their flush
_RETRY_SECONDS = 1.0


class Saver(threading.Thread):
    """Writes what changes to the disk, shortly after it changes."""

    def __init__(self, directory: Path, server: ServerStore, lock: threading.RLock) -> None:
        super().__init__(name="embedded-store", daemon=True)
        self.failure: Exception | None = None
        self._directory, self._journal, self._lock = directory, server.journal, lock
        self._stopping = threading.Event()
        self._writing = threading.Lock()
        self._under_way: Marks | None = None
        self._descriptor = lock_directory(directory)
        with ExitStack() as on_failure:
            on_failure.callback(os.close, self._descriptor)
            self._disk = Disk(directory)
            self._disk.load(server)
            on_failure.pop_all()

    def run(self) -> None:
        """Flush until stopped; a failing flush is logged, told by `failure`, and tried again."""
        while not self._stopping.is_set():
            self._journal.changed.wait()
            self._stopping.wait(_RETRY_SECONDS if self.failure else _GATHER_SECONDS)
            self._try_flush()

    def keep_up(self) -> None:
        """Flush here and now if changes have waited too long; called between two operations.

        Busy callers can keep this thread from the interpreter's lock for seconds. Then they do
        its work, or wait for it to be done, so that a killed process loses less than a second.
        """
        waiting = self._under_way or self._journal.marks
        if waiting and not self.failure and time.monotonic() - waiting.since > _LATE_SECONDS:
            self._try_flush()

    def _try_flush(self) -> None:
        try:
            self.flush()
        except (sqlite3.Error, OSError) as error:
            self.failure = error
            _LOG.error("cannot write to %s, will try again: %s", self._directory, error)

    def flush(self) -> None:
        """Write all changes so far; when that fails they stay marked, and the error is raised."""
        with self._writing, ExitStack() as on_failure:
            with self._lock:
                marks = self._under_way = self._journal.take()
                batch = snapshot(marks) if marks else Batch()
            if marks:
                on_failure.callback(self._put_back, marks)
                self._disk.write(batch)
                on_failure.pop_all()
            self._under_way = self.failure = None

    def _put_back(self, marks: Marks) -> None:
        with self._lock:
            self._journal.put_back(marks)
            self._under_way = None

    def stop(self) -> None:
        """Write what is left and give the directory back, even if that fails (sqlite3.Error)."""
        self._stopping.set()
        self._journal.changed.set()
        self.join()
        try:
            self.flush()
        finally:
            self._disk.close()
            os.close(self._descriptor)
