"""What people do about events, counted in memory and added to the events' scores in bulk.

A view costs an append: no lock, no write. What a process that is killed had not yet written, some
seconds' worth, is lost; one that stops writes it.
"""

import threading
from collections import Counter, defaultdict, deque
from datetime import datetime

from eventapp.core.clock import utc_now
from eventapp.core.mongo import Db
from eventapp.events import rules_popularity, store_popularity
from eventapp.events.rules_popularity import BOOKING, FAVORITE, VIEW

FLUSH_SECONDS = 10
# Beyond so many a flush they are not counted: a database that is away fills no memory.
MOST_NOTED = 500_000

Done = dict[int, Counter[float]]


class Popularity:
    """The counters of one process. A deque's append and popleft are atomic."""

    def __init__(self, db: Db) -> None:
        self._db = db
        self._views: deque[int] = deque(maxlen=MOST_NOTED)
        self._acts: deque[tuple[int, float]] = deque(maxlen=MOST_NOTED)
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
        """Write what was noted; how many events. What could not be written is noted again."""
        with self._flushing:
            noted = self._take()
            raises = {
                id_: (rules_popularity.scaled(rules_popularity.weight_of(done), now), done[VIEW])
                for id_, done in noted.items()
            }
            written = store_popularity.raise_scores(self._db, raises) if raises else []
            for event_id in noted.keys() - set(written):
                self._put_back(event_id, noted[event_id])
        return len(written)

    def _take(self) -> Done:
        noted: Done = defaultdict(Counter)
        for _ in range(len(self._views)):
            noted[self._views.popleft()][VIEW] += 1
        for _ in range(len(self._acts)):
            event_id, weight = self._acts.popleft()
            noted[event_id][weight] += 1
        return noted

    def _put_back(self, event_id: int, done: Counter[float]) -> None:
        for weight, times in done.items():
            if weight == VIEW:
                self._views.extend([event_id] * times)
            else:
                self._acts.extend([(event_id, weight)] * times)

    def start(self) -> None:
        """Flush every few seconds, until `stop`."""
        threading.Thread(target=self._flush_on, name="popularity", daemon=True).start()

    def _flush_on(self) -> None:
        while not self._stopping.wait(FLUSH_SECONDS):
            self.flush(utc_now())

    def stop(self) -> None:
        """Write what is left, where the process ends."""
        self._stopping.set()
        self.flush(utc_now())
