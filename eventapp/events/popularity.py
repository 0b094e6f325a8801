"""What people do about events, counted in memory and added to the events' scores in bulk.

A view costs an append: no lock, no write. A score costs a write of its event, so of many events
those of most weight are written first, and the others wait, for a time when fewer are looked at.
What a process had not yet written is lost where it is killed; one that stops writes once more.
"""

import threading
from collections import deque
from datetime import datetime
from heapq import nlargest

from eventapp.core.clock import utc_now
from eventapp.core.database import Db
from eventapp.events import popularity_score, store_popularity
from eventapp.events.popularity_score import BOOKING, FAVORITE, VIEW

# So many events a flush take the database 2 to 4% of the time of a core.
FLUSH_SECONDS, MOST_WRITTEN = 10, 200
# Beyond so many acts a flush, and so many events that wait, they are not counted: a database that
# is away fills no memory.
MOST_NOTED, MOST_WAITING = 500_000, 10_000


class Popularity:
    """The counters of one process. A deque's append and popleft are atomic."""

    def __init__(self, db: Db) -> None:
        self._db = db
        self._views: deque[int] = deque(maxlen=MOST_NOTED)
        self._acts: deque[tuple[int, float]] = deque(maxlen=MOST_NOTED)
        # By eventId the weight of what is not yet written, and the views in it.
        self._waiting: dict[int, tuple[float, int]] = {}
        self._stopping = threading.Event()
        self._flushing = threading.Lock()
        self.viewed = self._views.append  # itself: the hot path makes one call, not two

    def favorited(self, event_id: int) -> None:
        """Someone made it a favorite."""
        self._acts.append((event_id, FAVORITE))

    def booked(self, event_id: int) -> None:
        """Someone booked it."""
        self._acts.append((event_id, BOOKING))

    def flush(self, now: datetime) -> int:
        """Write what weighs most of what was noted; how many events. The rest goes on waiting."""
        with self._flushing:
            self._gather()
            raises = {
                event_id: (popularity_score.scaled(weight, now), views)
                for event_id, (weight, views) in self._heaviest(MOST_WRITTEN)
            }
            written = store_popularity.raise_scores(self._db, raises) if raises else []
            for event_id in written:
                del self._waiting[event_id]
            if len(self._waiting) > MOST_WAITING:
                self._waiting = dict(self._heaviest(MOST_WAITING))
        return len(written)

    def _gather(self) -> None:
        for _ in range(len(self._views)):
            self._add(self._views.popleft(), VIEW, views=1)
        for _ in range(len(self._acts)):
            self._add(*self._acts.popleft(), views=0)

    def _add(self, event_id: int, weight: float, *, views: int) -> None:
        before, seen = self._waiting.get(event_id, (0.0, 0))
        self._waiting[event_id] = before + weight, seen + views

    def _heaviest(self, most: int) -> list[tuple[int, tuple[float, int]]]:
        return nlargest(most, self._waiting.items(), key=lambda waiting: waiting[1])

    def start(self) -> None:
        """Flush every few seconds, until `stop`."""
        threading.Thread(target=self._flush_on, name="popularity", daemon=True).start()

    def _flush_on(self) -> None:
        while not self._stopping.wait(FLUSH_SECONDS):
            self.flush(utc_now())

    def stop(self) -> None:
        """Write once more, where the process ends."""
        self._stopping.set()
        self.flush(utc_now())
