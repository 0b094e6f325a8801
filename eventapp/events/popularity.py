"""Count views, favorites and bookings of events in memory, and write popularity scores in bulk.

The score of an event is `log2(1 + sum)`. Each view, favorite and booking adds its weight to the
sum, multiplied by 2 to the power of the number of half-lives from SCORE_EPOCH to the interaction.
Scores therefore order events as exponentially decaying sums would: an interaction counts half as
much as one that comes a half-life later. Scores need no rewriting when time passes. Without new
interactions a score stays as it is, and with a steady rate of them it grows by 1 a week.

Counting a view costs one append, without a lock or a write. Increasing a score costs a write of its
event, so each flush writes only the events with the most weight, and the others wait for a later
flush. A process that stops in order writes once more. One that is killed loses what it has not
written.
"""

import threading
from collections import deque
from datetime import UTC, datetime, timedelta
from heapq import nlargest
from math import log2

import structlog

from eventapp.core.app_key import AppKey
from eventapp.core.clock import utc_now
from eventapp.core.database import Db
from eventapp.events import store

# The weights of the interactions.
VIEW, FAVORITE, BOOKING = 1.0, 5.0, 10.0
HALF_LIFE = timedelta(days=7)
SCORE_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)

# Writing 200 events every 10 seconds takes the database 2 to 4% of the time of a core.
FLUSH_SECONDS, MAX_WRITTEN = 10, 200
# The most interactions between two flushes, and the most events that wait to be written. What
# exceeds these is not counted, so that memory stays bounded while the database is unavailable.
MAX_QUEUED, MAX_PENDING = 100_000, 10_000

log = structlog.get_logger("popularity")


def scale_weight(weight: float, now: datetime) -> float:
    """Return the base-2 logarithm of what an interaction at this time adds to the sum.

    Args:
        weight: above 0.
    """
    return log2(weight) + (now - SCORE_EPOCH) / HALF_LIFE


def increase_score(score: float, scaled: float) -> float:
    """Return the score after one interaction of this scaled weight.

    `store.increase_scores` computes the same within the database.
    """
    larger = max(score, scaled)
    return larger + log2(2 ** (score - larger) + 2 ** (scaled - larger))


class Popularity:
    """The counters of one process. Adding takes no lock, because a deque's `append` is atomic."""

    def __init__(self, db: Db) -> None:
        self._db = db
        self._views: deque[int] = deque(maxlen=MAX_QUEUED)
        self._other_interactions: deque[tuple[int, float]] = deque(maxlen=MAX_QUEUED)
        # For each eventId the weight and the number of views that are not written yet.
        self._pending: dict[int, tuple[float, int]] = {}
        self._stopping = threading.Event()
        self._flushing = threading.Lock()

    def add_view(self, event_id: int) -> None:
        """Count that someone viewed the event."""
        self._views.append(event_id)

    def add_favorite(self, event_id: int) -> None:
        """Count that someone made the event a favorite."""
        self._other_interactions.append((event_id, FAVORITE))

    def add_booking(self, event_id: int) -> None:
        """Count that someone booked the event."""
        self._other_interactions.append((event_id, BOOKING))

    def flush(self, now: datetime) -> int:
        """Write the events with the most weight, and return how many were written."""
        with self._flushing:
            self._collect()
            increases = {
                event_id: (scale_weight(weight, now), views)
                for event_id, (weight, views) in self._find_heaviest(MAX_WRITTEN)
            }
            written = self._write(increases) if increases else []
            for event_id in written:
                del self._pending[event_id]
            if len(self._pending) > MAX_PENDING:
                self._pending = dict(self._find_heaviest(MAX_PENDING))
        return len(written)

    def _write(self, increases: dict[int, tuple[float, int]]) -> list[int]:
        """Write increases, and return the eventIds of those that need not be written again."""
        try:
            return store.increase_scores(self._db, increases)
        except store.ScoresNotWritten as error:
            log.warning("popularity not written", error=str(error))
            return list(increases) if error.is_partial else []

    def _collect(self) -> None:
        for _ in range(len(self._views)):
            self._add_pending(self._views.popleft(), VIEW, views=1)
        for _ in range(len(self._other_interactions)):
            self._add_pending(*self._other_interactions.popleft(), views=0)

    def _add_pending(self, event_id: int, weight: float, *, views: int) -> None:
        pending_weight, pending_views = self._pending.get(event_id, (0.0, 0))
        self._pending[event_id] = pending_weight + weight, pending_views + views

    def _find_heaviest(self, limit: int) -> list[tuple[int, tuple[float, int]]]:
        return nlargest(limit, self._pending.items(), key=lambda item: item[1])

    def start(self) -> None:
        """Flush every FLUSH_SECONDS on a thread of its own, until `stop`."""
        threading.Thread(target=self._flush_until_stopped, name="popularity", daemon=True).start()

    def _flush_until_stopped(self) -> None:
        while not self._stopping.wait(FLUSH_SECONDS):
            self.flush(utc_now())

    def stop(self) -> None:
        """Stop the thread and write once more."""
        self._stopping.set()
        self.flush(utc_now())


POPULARITY: AppKey[Popularity] = AppKey("popularity")
