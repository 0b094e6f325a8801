"""Record when something was last used, beside the requests that use it.

A use is rounded down to PRECISION, and is written once in that time by each process that notices
it. A thread of its own writes, so no request waits for it, and none fails if it cannot be written.
A process that stops in order writes first what it has noticed.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import structlog
from bson import ObjectId
from pymongo.errors import PyMongoError

from eventapp.core.database import Db
from eventapp.core.errors import DatabaseUnavailable

PRECISION = timedelta(minutes=5)
# The most uses of one PRECISION that are remembered as written. Beyond it, uses are written again.
MAX_REMEMBERED = 10_000
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)

log = structlog.get_logger("last_use")

# Writes that a document was used at a time.
WriteUse = Callable[[Db, ObjectId, datetime], None]


class LastUseRecorder:
    """Writes uses of one kind of document."""

    def __init__(self, write: WriteUse) -> None:
        self._write = write
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="last-use")
        self._lock = threading.Lock()
        self._written: set[ObjectId] = set()  # used since `_since`
        self._since = _EPOCH

    def record(
        self, db: Db, id_: ObjectId, last_used_at: datetime | None, now: datetime
    ) -> Future[None] | None:
        """Record a use, unless it is recorded already.

        Args:
            id_: of the document that is used.
            last_used_at: the last use that the document records; None if it records none.

        Returns:
            The write, which is under way; None if there is none.
        """
        used_at = _EPOCH + (now - _EPOCH) // PRECISION * PRECISION
        if last_used_at is not None and last_used_at >= used_at:
            return None
        with self._lock:
            if self._since < used_at or len(self._written) >= MAX_REMEMBERED:
                self._since, self._written = used_at, set()
            if id_ in self._written:
                return None
            self._written.add(id_)
        future = self._executor.submit(self._write_use, db, id_, used_at)
        future.add_done_callback(_log_failure)
        return future

    def _write_use(self, db: Db, id_: ObjectId, used_at: datetime) -> None:
        try:
            self._write(db, id_, used_at)
        except (PyMongoError, DatabaseUnavailable) as error:
            log.warning("last use not written", error=type(error).__name__)
            with self._lock:
                self._written.discard(id_)  # The next request tries again.


def _log_failure(future: Future[None]) -> None:
    if error := future.exception():
        log.error("last use failed", error=repr(error))
