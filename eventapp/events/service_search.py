"""Search by words in memory, for as many events as a process can well hold.

The database's own text search scores every match anew at each call; with ten thousand events that
is too slow for a crowd. Beyond MAX_INDEXED events on the list this index stands back, and the
database's is asked.
"""

import threading
from collections.abc import Iterator
from datetime import date
from functools import partial

from eventapp.core.mongo import Db, Document
from eventapp.core.textsearch import parse_search
from eventapp.events import store
from eventapp.events.service_words import Index, Matches

# Beyond the first the index would take too much memory: about 70 MB it is then. Up to the second
# it is built within the request that comes upon it.
MAX_INDEXED, BUILT_AT_ONCE = 200_000, 20_000


class Search:
    """The index of one database in one process: built at the first search, then kept up."""

    def __init__(self, db: Db) -> None:
        self._db = db
        self._lock = threading.Lock()
        self._index: Index | None = None
        self._built_on: date | None = None
        self._building: threading.Thread | None = None
        self._stale: set[int] = set()
        self._restarts = 0

    def changed(self, event_id: int, version: int | None = None) -> None:
        """The event was made, edited or deleted: it is read again before the next search.

        Args:
            version: its `__v`, where that is known: a sale leaves it, and all words, as it was.
        """
        index = self._index
        if version is None or index is None or index.versions.get(event_id) != version:
            self._stale.add(event_id)

    def restart(self) -> None:
        """Everything may have changed: begin anew at the next search."""
        with self._lock:
            self._built_on = None
            self._restarts += 1

    def matches(self, words: str, today: date) -> Matches | None:
        """The listed events that match.

        None where the database must be asked: there are too many events, they are just being
        read, or a phrase is asked for, which words alone do not tell.
        """
        query = parse_search(words)
        if query.phrases or query.excluded_phrases:
            return None
        with self._lock:
            if self._built_on != today:
                self._begin(today)
            if self._built_on != today or self._index is None:
                return None
            self._refresh(self._index)
            return self._index.search(query)

    def _begin(self, today: date) -> None:
        """Build the index: at once where that is quick, else on a thread beside the requests."""
        if self._building and self._building.is_alive():
            return
        listed = store.count_listed(self._db, MAX_INDEXED + 1)
        self._index = None
        self._stale.clear()  # what changes from here on is read again
        if BUILT_AT_ONCE < listed <= MAX_INDEXED:
            build = partial(self._build_aside, today, self._restarts)
            self._building = threading.Thread(target=build, name="search index", daemon=True)
            self._building.start()
            return
        self._index = Index(self._texts()) if listed <= MAX_INDEXED else None
        self._built_on = today

    def _build_aside(self, today: date, restarts: int) -> None:
        index = Index(self._texts())  # where that fails, the next search begins again
        with self._lock:
            if restarts == self._restarts:
                self._index, self._built_on = index, today

    def _texts(self) -> Iterator[Document]:
        last = 0
        while batch := store.texts_after(self._db, last, 1000):
            yield from batch
            last = batch[-1]["eventId"]

    def _refresh(self, index: Index) -> None:
        stale = list(self._stale)
        if stale:
            events = store.texts_of(self._db, stale)
            for event_id in stale:
                index.forget(event_id)
            for event in events:
                index.learn(event)
            self._stale.difference_update(stale)
