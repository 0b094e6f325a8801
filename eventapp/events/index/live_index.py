"""Build the index of listed events in one process when it is first needed, and keep it up to date.

Invariant: a query sees every change that was passed to `mark_stale` before the query began.

`mark_stale` records that an event is stale, and stale events are read again before the next query.
An event stops being stale before it is read, not after: if it changes during the read, `mark_stale`
makes it stale again. So does a read that fails.

The query that needs an index builds it if no more than MAX_BUILT_INLINE events are listed.
Otherwise a thread builds it, and the database answers queries until then. If more than MAX_INDEXED
events are listed, there is no index and the database always answers. It is slower: for each query
it reads every event that contains the words, or that matches a filter without a database index.
With ten thousand events that is too slow for many callers, with a million it is too slow for one.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from functools import partial
from itertools import islice
from typing import TypeVar

from eventapp.core.clock import utc_now
from eventapp.core.database import Db
from eventapp.core.textsearch import SearchQuery
from eventapp.events import store
from eventapp.events.entry_filters import require_upcoming
from eventapp.events.filter_types import Filter
from eventapp.events.filters import FACET_FIELDS
from eventapp.events.index.event_index import EventIndex
from eventapp.events.index.facet_texts import TextFacet
from eventapp.events.index.matches import Matches
from eventapp.events.index.suggestions import Suggestions
from eventapp.events.index.text_table import TextCount
from eventapp.events.rules import ListState
from eventapp.events.types import IndexedEvent

# Numbers of listed events. The index takes about 0.8 kB for each.
MAX_INDEXED, MAX_BUILT_INLINE = 1_500_000, 2_000
# How many events are read from the database at once.
BATCH_SIZE = 100
# A thread that only computes holds the interpreter's lock for 5 ms whenever a request waits for
# that lock. Therefore the thread that builds sleeps for a moment after every few events.
EVENTS_PER_PAUSE, PAUSE_SECONDS = 8, 0.0005

Result = TypeVar("Result")


class LiveIndex:
    """The index of one database in one process. Any number of threads may use it."""

    def __init__(self, db: Db, clock: Callable[[], datetime] = utc_now) -> None:
        """Read nothing yet; the first query builds the index.

        Args:
            clock: returns the time by the database's clock.
        """
        self._db, self._clock = db, clock
        # Guards the fields up to `_stale_lock`. It is also held while a query reads stale events,
        # or all events of a small index, from the database.
        self._lock = threading.Lock()
        # None while it is being built, and while too many events are listed.
        self._index: EventIndex | None = None
        # The day for which `_index` was last built, or brought up to date by `remove_past`. None
        # while the index must be built.
        self._valid_on: date | None = None
        self._builder: threading.Thread | None = None
        self._reset_count = 0
        # Guards `_stale_ids`. It is never held while the database is read, so that `mark_stale`
        # does not wait for that.
        self._stale_lock = threading.Lock()
        self._stale_ids: set[int] = set()

    def mark_stale(self, event_id: int, state: ListState | None = None) -> None:
        """Make the next query read an event again, unless the index has its present state.

        Args:
            state: the list state of the event now; None if it is unknown or the event was deleted.
                Most sales do not change it.
        """
        index = self._index
        if state is None or index is None or not index.is_current(event_id, state):
            with self._stale_lock:
                self._stale_ids.add(event_id)

    def reset(self) -> None:
        """Build the index anew at the next query, because anything may have changed."""
        with self._lock:
            self._valid_on = None
            self._reset_count += 1

    def find(
        self, filters: Sequence[Filter], query: SearchQuery | None, today: date
    ) -> Matches | None:
        """Return the listed events that match all filters and the search; None is no search.

        Returns:
            None if the database must answer: there are too many events, the index is being built,
            or the search contains a phrase.
        """
        return self._find(filters, query, today, lambda _index, matches: matches)

    def find_frequent_texts(
        self,
        facet: TextFacet,
        filters: Sequence[Filter],
        query: SearchQuery | None,
        today: date,
        limit: int,
    ) -> list[TextCount] | None:
        """Return the texts of a facet that most of the events that `find` returns have.

        Returns:
            None if the database must answer.
        """
        return self._find(
            filters,
            query,
            today,
            lambda index, matches: index.find_frequent_texts(facet, matches, limit),
        )

    def index_events(self, events: Iterable[IndexedEvent]) -> EventIndex:
        """Return an index of these events for one request, by the same clock."""
        return EventIndex(events, self._clock)

    def _find(
        self,
        filters: Sequence[Filter],
        query: SearchQuery | None,
        today: date,
        read: Callable[[EventIndex, Matches], Result],
    ) -> Result | None:
        """Return what `read` returns of the matches; None if the database must answer."""
        upcoming = require_upcoming(filters, today)
        return self._search(query, today, lambda index: read(index, index.find(upcoming, query)))

    def count_each(
        self,
        common: Sequence[Filter],
        choices: Sequence[Filter],
        query: SearchQuery | None,
        today: date,
    ) -> list[int] | None:
        """Count the events that match all common filters, the search and each choice in turn.

        Args:
            common: with the filter that `require_upcoming` adds to them and a choice.

        Returns:
            None if the database must answer.
        """
        return self._search(query, today, lambda index: index.count_each(common, choices, query))

    def count_entries_before(self, today: date) -> int | None:
        """Return no less than how many schedule entries of listed events were before today.

        Returns:
            None if there is no index.
        """
        return self._query(today, lambda index: index.count_entries_before(today))

    def _search(
        self, query: SearchQuery | None, today: date, read: Callable[[EventIndex], Result]
    ) -> Result | None:
        """Return what `read` returns of the index; None if the database must answer the search."""
        return None if query and query.has_phrases else self._query(today, read)

    def correct(self, query: SearchQuery, today: date) -> str | None:
        """Return the search with misspelled words replaced; see `EventIndex.correct`.

        Returns:
            None if the database must answer.
        """
        return self._query(today, lambda index: index.correct(query))

    def suggest(self, words: Sequence[str], today: date) -> Suggestions | None:
        """Return texts of listed events that begin with these folded words, or contain them.

        Returns:
            None if the database must answer.
        """
        return self._query(today, lambda index: index.suggest(words))

    def count(self, today: date) -> int | None:
        """Return how many events are listed, or None if the database must answer."""
        return self._query(today, len)

    def _query(self, today: date, query: Callable[[EventIndex], Result]) -> Result | None:
        """Return the result of the query on an up-to-date index; None if there is no index."""
        with self._lock:
            if self._must_build(today):
                self._build_or_start_thread(today)
            if self._valid_on is None or self._index is None:
                return None
            self._refresh(self._index, today)
            return query(self._index)

    def _must_build(self, today: date) -> bool:
        if self._index is None:
            # Too many events were listed on `_valid_on`. Fewer may be listed on another day.
            return self._valid_on != today
        return self._valid_on is None or self._index.needs_rebuild or len(self._index) > MAX_INDEXED

    def _build_or_start_thread(self, today: date) -> None:
        """Build a small index now. Start a thread that builds a large one, unless one runs."""
        if self._builder and self._builder.is_alive():
            return
        self._index = self._valid_on = None
        self._take_stale_ids()  # The build reads all events anyway.
        if store.count_listed(self._db, MAX_BUILT_INLINE + 1) > MAX_BUILT_INLINE:
            build = partial(self._build_in_background, today, self._reset_count)
            self._builder = threading.Thread(target=build, name="event index", daemon=True)
            self._builder.start()
            return
        self._index, self._valid_on = self._build_index(self._read_listed()), today

    def _build_in_background(self, today: date, reset_count: int) -> None:
        # If reading fails, the thread ends, and the next query starts another one.
        index = self._build_index(_pause_regularly(self._read_listed()))
        with self._lock:
            if reset_count == self._reset_count:
                self._index, self._valid_on = index, today

    def _read_listed(self) -> Iterator[IndexedEvent]:
        """Yield all listed events by eventId, read in batches."""
        last_id = 0
        while batch := store.find_indexed_after(
            self._db, last_id, limit=BATCH_SIZE, fields=FACET_FIELDS
        ):
            yield from batch
            last_id = batch[-1]["eventId"]

    def _refresh(self, index: EventIndex, today: date) -> None:
        """Read stale and outdated events again. On a new day remove the events that are over."""
        self._read_again(index, self._take_stale_ids())
        if self._valid_on != today:
            index.remove_past(today)
            self._valid_on = today
        self._read_again(index, set(index.find_outdated()))

    def _read_again(self, index: EventIndex, stale_ids: set[int]) -> None:
        """Replace these events in the index by what the database has of them now."""
        try:
            while stale_ids:
                batch = list(islice(stale_ids, BATCH_SIZE))
                # They are removed before they are read. Otherwise `mark_stale` could find the
                # state before the read current, and an event that changes during the read would
                # not become stale again.
                for event_id in batch:
                    index.remove(event_id)
                for event in store.find_indexed(self._db, batch, fields=FACET_FIELDS):
                    index.add(event)
                stale_ids.difference_update(batch)
        finally:
            with self._stale_lock:
                self._stale_ids |= stale_ids  # the events that could not be read

    def _take_stale_ids(self) -> set[int]:
        """Return the stale eventIds and clear them; the caller must read these events."""
        with self._stale_lock:
            stale_ids, self._stale_ids = self._stale_ids, set()
        return stale_ids

    def _build_index(self, events: Iterable[IndexedEvent]) -> EventIndex | None:
        """Return an index of these events, or None if there are too many."""
        index = EventIndex(islice(events, MAX_INDEXED + 1), self._clock)
        return index if len(index) <= MAX_INDEXED else None


def _pause_regularly(events: Iterable[IndexedEvent]) -> Iterator[IndexedEvent]:
    """Yield the events, and sleep after every few of them so that other threads can run."""
    for number, event in enumerate(events):
        if number % EVENTS_PER_PAUSE == 0:
            time.sleep(PAUSE_SECONDS)
        yield event
