"""Tell the time by the database's clock, so that all processes agree on when a moment has come.

Some rules depend on the time to the second, such as when the sale of tickets begins. The clocks of
processes differ, and may be seconds off. Each process therefore measures by how much its own clock
differs from the database's, and adds the difference. The difference is measured again each minute.
"""

import threading
import time
from datetime import datetime, timedelta
from typing import NamedTuple

from bson.codec_options import CodecOptions

from eventapp.core.clock import utc_now
from eventapp.core.database.client import Db, Document

RENEWAL_SECONDS = 60.0
# A measurement that took longer than this is repeated; the fastest counts.
GOOD_SECONDS, MAX_MEASUREMENTS = 0.02, 3
# Commands do not use the options of their database.
_AWARE_TIMES: CodecOptions[Document] = CodecOptions(tz_aware=True)


def read_server_time(db: Db) -> datetime:
    """Return the time that the server of a database answers; no other clock plays a part.

    Raises:
        PyMongoError: the database does not answer.
    """
    answer = db.command("hello", codec_options=_AWARE_TIMES)
    server_time: datetime = answer["localTime"]
    return server_time


class ServerClock:
    """The clock of the server of a database, as this process knows it.

    The error is at most half the time that the server takes to answer. All methods may be called
    by any number of threads.
    """

    def __init__(self, db: Db) -> None:
        """Measure nothing yet; the first call does."""
        self._db = db
        self._offset: timedelta | None = None
        self._renew_at = 0.0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Return the time by the database's clock; `correct` says which errors it raises."""
        return self.correct(utc_now())

    @property
    def needs_no_measurement(self) -> bool:
        """Whether `now` would not ask the database now."""
        return self._offset is not None and time.monotonic() < self._renew_at

    def correct(self, moment: datetime) -> datetime:
        """Return a time that was read from this process's clock as the database's clock shows it.

        Raises:
            PyMongoError: the difference of the clocks had to be measured and was not.
        """
        offset = self._offset
        if offset is None or time.monotonic() >= self._renew_at:
            offset = self._renew()
        return moment + offset

    def _renew(self) -> timedelta:
        """Measure the difference, unless another thread is doing so and an older one is known."""
        known = self._offset
        if known is not None and not self._lock.acquire(blocking=False):
            return known
        if known is None:
            self._lock.acquire()
        try:
            if self._offset is None or time.monotonic() >= self._renew_at:
                self._offset = self._measure()
                self._renew_at = time.monotonic() + RENEWAL_SECONDS
            return self._offset
        finally:
            self._lock.release()

    def _measure(self) -> timedelta:
        """Return how far the database's clock is ahead, in whole milliseconds."""
        measured = [self._measure_once()]
        while measured[-1].seconds_taken > GOOD_SECONDS and len(measured) < MAX_MEASUREMENTS:
            measured.append(self._measure_once())
        offset = min(measured).offset
        return timedelta(milliseconds=round(offset / timedelta(milliseconds=1)))

    def _measure_once(self) -> "_Measurement":
        """Compare the clocks. The server is assumed to read its clock in the middle of the call."""
        asked_at, started = utc_now(), time.monotonic()
        server_time = read_server_time(self._db)
        seconds = time.monotonic() - started
        return _Measurement(seconds, server_time - asked_at - timedelta(seconds=seconds / 2))


class _Measurement(NamedTuple):
    """A measured difference of two clocks. Those that took less time are smaller, and better."""

    seconds_taken: float
    offset: timedelta
