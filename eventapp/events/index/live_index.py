"""The public list of events in memory, for as many events as a process can well hold.

The database reads what a filter of no index of its own leaves, or what words match, one by one at
each call: with ten thousand events that is too slow for a crowd, with a million for anybody. Beyond
MAX_INDEXED events on the list this index stands back, and the database is asked.
"""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from itertools import islice
from typing import TypeVar

from eventapp.core.database import Db, Document
from eventapp.core.textsearch import parse_search
from eventapp.events import store
from eventapp.events.filters import Filters
from eventapp.events.index.event_index import Index
from eventapp.events.index.matches import Matches
from eventapp.events.rules import ListState

# An event takes about 0.2 kB. Up to the second it is built within the request that comes upon it.
MAX_INDEXED, BUILT_AT_ONCE = 1_500_000, 2_000

READ_AT_ONCE = 500
# A thread that only computes keeps the interpreter from requests for 5 ms each time they wait for
# anything: after so many events it rests for so long.
STRIDE, REST_SECONDS = 8, 0.0005

Found = TypeVar("Found")
Documents = Iterator[Document]


class Search:
    """The index of one database in one process: built when it is first asked, then kept up."""

    def __init__(self, db: Db) -> None:
        self._db = db
        self._lock = threading.Lock()
        self._index: Index | None = None
        self._ready_for: date | None = None
        self._building: threading.Thread | None = None
        self._restarts = 0
        # Never held while anything is read, so that a change waits for nothing.
        self._noting = threading.Lock()
        self._stale: set[int] = set()

    def changed(self, event_id: int, list_state: ListState | None = None) -> None:
        """The event was made, edited, sold or deleted: it is read again before the next search.

        Args:
            list_state: of the event now, None if unknown. Most sales leave it as it was.
        """
        index = self._index
        if list_state is None or index is None or not index.knows(event_id, list_state):
            with self._noting:
                self._stale.add(event_id)

    def restart(self) -> None:
        """Everything may have changed: begin anew at the next search."""
        with self._lock:
            self._ready_for = None
            self._restarts += 1

    def matches(self, filters: Filters, today: date) -> Matches | None:
        """The listed events that all filters leave, those of whose events it is aside.

        None where the database must be asked: there are too many events, they are just being
        read, or a phrase is asked for, which words alone do not tell.
        """
        words = parse_search(filters.search) if filters.search else None
        if words and (words.phrases or words.excluded_phrases):
            return None
        return self._of_index(today, lambda index: index.find(filters, words))

    def count(self, today: date) -> int | None:
        """How many events are on the list. None as `matches`."""
        return self._of_index(today, len)

    def _of_index(self, today: date, ask: Callable[[Index], Found]) -> Found | None:
        with self._lock:
            if self._outlived(today):
                self._begin(today)
            if self._ready_for is None or self._index is None:
                return None
            self._refresh(self._index, today)
            return ask(self._index)

    def _outlived(self, today: date) -> bool:
        if self._index is None:  # for want of room, perhaps there is some tomorrow
            return self._ready_for != today
        return self._ready_for is None or self._index.worn or len(self._index) > MAX_INDEXED

    def _begin(self, today: date) -> None:
        """Build the index: at once where that is quick, else on a thread beside the requests."""
        if self._building and self._building.is_alive():
            return
        self._index = self._ready_for = None
        self._taken()  # what changes from here on is read again
        if store.count_listed(self._db, BUILT_AT_ONCE + 1) > BUILT_AT_ONCE:
            build = partial(self._build_aside, today, self._restarts)
            self._building = threading.Thread(target=build, name="search index", daemon=True)
            self._building.start()
            return
        self._index, self._ready_for = self._built(), today

    def _build_aside(self, today: date, restarts: int) -> None:
        index = self._built(gently)  # where that fails, the next search begins again
        with self._lock:
            if restarts == self._restarts:
                self._index, self._ready_for = index, today

    def _built(self, pace: Callable[[Documents], Documents] = iter) -> Index | None:
        """The index of all there is, None where that is too much."""
        index = Index(islice(pace(self._events()), MAX_INDEXED + 1))
        return index if len(index) <= MAX_INDEXED else None

    def _events(self) -> Iterator[Document]:
        last = 0
        while batch := store.indexed_after(self._db, last, READ_AT_ONCE):
            yield from batch
            last = batch[-1]["eventId"]

    def _refresh(self, index: Index, today: date) -> None:
        stale = self._taken()
        try:
            while stale:
                some = list(islice(stale, READ_AT_ONCE))
                for event_id in some:  # before they are read, so that no change since is `known`
                    index.forget(event_id)
                for event in store.indexed_of(self._db, some):
                    index.learn(event)
                stale.difference_update(some)
        finally:
            with self._noting:
                self._stale |= stale  # what could not be read
        if self._ready_for != today:
            index.pass_days(today)
            self._ready_for = today

    def _taken(self) -> set[int]:
        """What was noted as changed, from here on to be read again by who took it."""
        with self._noting:
            stale, self._stale = self._stale, set()
        return stale


def gently(events: Documents) -> Documents:
    """The same, with rests for what else the process has to do."""
    for number, event in enumerate(events):
        if number % STRIDE == 0:
            time.sleep(REST_SECONDS)
        yield event
