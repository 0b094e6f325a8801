"""Index the listed events in arrays, to find those that match filters and words.

Each event has a row: a number from 0, which is its index in all arrays. For each value of a facet
(a category, a city, a day) the index has the rows of the events with that value. For each word it
has the rows of the events that contain the word, with scores. A query makes a mask of all rows for
each filter and combines the masks. That takes about a millisecond for a million events. A database
would read the matching events one by one, unless one of its indexes covers the whole query.

Some filters compare schedule entries, and one entry must satisfy all of these. The entries have a
table of their own (`entry_table`), whose mask is combined first and then becomes one of events.

An edited event gets a new row at the end, and its old row becomes inactive. No row is used twice,
so that a result stays valid while the index changes.

Some values of an event change when one of its schedule entries is over. `find_outdated` returns the
events of which that has happened, and they must be added again.
"""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime

import numpy as np

from eventapp.core.clock import utc_now
from eventapp.core.textsearch import SearchQuery, spell_search
from eventapp.events.filter_types import EntryFilter, EventFilter, Filter
from eventapp.events.filters import ENTRY_FACETS, FACETS
from eventapp.events.index.entry_table import EntryTable, Selection
from eventapp.events.index.facet_texts import FacetTexts, TextFacet
from eventapp.events.index.matches import Matches
from eventapp.events.index.postings import (
    CountedRows,
    Facets,
    GrowingArray,
    Mask,
    make_mask,
)
from eventapp.events.index.suggestions import SuggestionIndex, Suggestions
from eventapp.events.index.text_table import TextCount
from eventapp.events.index.vocabulary import ScoredRows, Vocabulary
from eventapp.events.relevance import NO_TEXTS, find_marks
from eventapp.events.rules import ListState, get_terms
from eventapp.events.ticket_types import (
    LATEST,
    find_empty_stocks,
    find_offer_ends,
    list_visible_types,
)
from eventapp.events.types import IndexedEvent

# The terms of a row whose event was removed. No event has it.
REMOVED = -1
# An index with no more inactive rows than this is not worth rebuilding.
MIN_INACTIVE = 1000


class EventIndex:
    """The terms of events, and all facets of the list filters.

    Only one thread at a time may call its methods, except `is_current`, which any thread may call
    at any time.
    """

    def __init__(
        self, events: Iterable[IndexedEvent] = (), clock: Callable[[], datetime] = utc_now
    ) -> None:
        """Index these events, then compact all posting lists once.

        Args:
            clock: returns the time by the database's clock.
        """
        self._clock = clock
        # One element for each row: the eventId, the list state (terms and empty stocks), the
        # day of the last date as an ordinal, when its values change next though nothing is written
        # (a POSIX time), and whether the row is active. A row is active while its event is listed
        # and has no later row.
        self._event_ids = GrowingArray(np.int64)
        self._terms, self._last_days = array("i"), array("i")
        self._empty_stocks: list[tuple[bool, ...]] = []
        self._changes_at, self._next_change = array("d"), LATEST.timestamp()
        self._active = bytearray()
        self._inactive_count = 0
        # The first `_sorted_count` rows have ascending eventIds and are found by bisection. The
        # later rows are found in the dictionary, by eventId.
        self._sorted_count, self._unsorted_rows = 0, dict[int, int]()
        # Equal tuples of empty stocks are stored once.
        self._distinct_empty_stocks = dict[tuple[bool, ...], tuple[bool, ...]]()
        self._vocabulary = Vocabulary()
        # What the last search found, with the search and the number of rows. It stays right while
        # no row is added, because the words of a row never change.
        self._last_found: tuple[tuple[SearchQuery, int], ScoredRows] | None = None
        self._facets = Facets(FACETS)
        self._suggestions = SuggestionIndex()
        self._facet_texts = FacetTexts(self._suggestions.tags)
        self._entries = EntryTable(ENTRY_FACETS)
        for event in events:
            self.add(event)
        self._compact()

    def __len__(self) -> int:
        """Return how many events are listed."""
        return len(self._event_ids) - self._inactive_count

    @property
    def needs_rebuild(self) -> bool:
        """Whether most rows are inactive, so that rebuilding the index saves memory."""
        return self._inactive_count > max(len(self), MIN_INACTIVE)

    def is_current(self, event_id: int, state: ListState) -> bool:
        """Return whether the event was last added in this state, listed or not."""
        row = self._find_row(event_id)
        if row is None:
            return False
        return (self._terms[row], self._empty_stocks[row]) == state

    def add(self, event: IndexedEvent) -> None:
        """Add an event, or replace it. Queries no longer find an event that is not listed now.

        Queries compare only its public ticket types.
        """
        empty, now = find_empty_stocks(event), self._clock()
        event = {
            **event,
            "ticketTypes": list_visible_types(event["ticketTypes"], may_manage=False),
        }
        event_id, row = event["eventId"], len(self._event_ids)
        self.remove(event_id)
        is_sorted = self._sorted_count == row and (
            not row or self._event_ids.values()[-1] < event_id
        )
        changes_at = _find_next_change(event, now)
        self._event_ids.append(event_id)
        self._terms.append(get_terms(event))
        self._empty_stocks.append(self._distinct_empty_stocks.setdefault(empty, empty))
        self._last_days.append(event["lastDate"].toordinal())
        self._changes_at.append(changes_at)
        self._active.append(event["listed"])
        self._suggestions.add(event)
        self._facet_texts.add(event)
        if event["listed"]:
            self._next_change = min(self._next_change, changes_at)
            self._add_postings(event, row, now)
        else:
            self._inactive_count += 1
        # This comes last, because `is_current` in another thread must not find an unfinished row.
        if is_sorted:
            self._sorted_count += 1
        else:
            self._unsorted_rows[event_id] = row

    def _add_postings(self, event: IndexedEvent, row: int, now: datetime) -> None:
        self._vocabulary.add(find_marks(event.get("searchTexts", NO_TEXTS)), row)
        self._facets.add(event, row, now)
        self._entries.add(event["schedule"], row, now)

    def _compact(self) -> None:
        length = len(self._event_ids)
        self._facets.compact(length)
        self._entries.compact()
        self._vocabulary.compact(length)

    def remove(self, event_id: int) -> None:
        """Remove an event if the index contains it."""
        row = self._find_row(event_id)
        if row is not None:
            self._unsorted_rows.pop(event_id, None)
            self._terms[row] = REMOVED
            self._deactivate(row)

    def _deactivate(self, row: int) -> None:
        if self._active[row]:
            self._active[row] = False
            self._inactive_count += 1
            self._suggestions.remove(row, int(self._event_ids.values()[row]))
            self._facet_texts.remove(row)

    def _find_row(self, event_id: int) -> int | None:
        """Return the last row of the event, which may be inactive; None if there is none."""
        row = self._unsorted_rows.get(event_id)
        if row is not None:
            return row
        sorted_ids = self._event_ids.values()[: self._sorted_count]
        row = bisect_left(sorted_ids, event_id)
        is_found = row < len(sorted_ids) and sorted_ids[row] == event_id
        return row if is_found else None

    def remove_past(self, today: date) -> None:
        """Deactivate the events whose last date is before today."""
        past = np.frombuffer(self._last_days, np.int32) < today.toordinal()
        active = np.frombuffer(self._active, np.bool_)
        for row in np.flatnonzero(past & active).tolist():
            self._deactivate(row)

    def find_outdated(self) -> list[int]:
        """Return the listed events that are to be added again, because an entry is over by now.

        Each is returned once.
        """
        now = self._clock().timestamp()
        if now < self._next_change:
            return []
        changes_at = np.frombuffer(self._changes_at, np.float64)
        listed = np.frombuffer(self._active, np.bool_)
        later = changes_at[listed & (changes_at > now)]
        self._next_change = float(later.min()) if len(later) else LATEST.timestamp()
        ids: list[int] = self._event_ids.values()[listed & (changes_at <= now)].tolist()
        return ids

    def suggest(self, words: Sequence[str]) -> Suggestions:
        """Return texts of listed events that begin with these folded words, or contain them."""
        return self._suggestions.suggest(words)

    def find_frequent_texts(
        self, facet: TextFacet, matches: Matches, limit: int
    ) -> list[TextCount]:
        """Return the texts of a facet that most of these matches of the present index have."""
        active = np.frombuffer(self._active, np.bool_)
        return self._facet_texts.find_most_frequent(facet, matches.mask, active, limit)

    def count_entries_before(self, day: date) -> int:
        """Count the schedule entries before a day, also of events that are no longer listed."""
        return self._entries.count_before(day)

    def find(self, filters: Sequence[Filter], query: SearchQuery | None) -> Matches:
        """Return the listed events that match all filters and the search.

        Args:
            query: its phrases are ignored, because the index does not store the order of words.
                None matches all events.
        """
        events, entries = self._select(filters)
        mask, found = self._join(events, entries), None
        if query:
            found = self._search(query)
            found = found.keep(found.take(mask))
            mask = found.make_mask(len(mask))
        ids, sorted_count = self._event_ids.values(), self._sorted_count
        frozen = None if entries is None else self._entries.freeze(entries)
        return Matches(ids, sorted_count, mask, len(self), found, frozen)

    def correct(self, query: SearchQuery) -> str:
        """Return the search with misspelled words replaced by words of listed events.

        It is empty if there is nothing to correct, or if a listed event contains a word.
        """
        active = np.frombuffer(self._active, np.bool_)
        found = self._vocabulary.find(replace(query, excluded=()), len(active))
        if found.keep(found.take(active)).scores.any():
            return ""
        corrections = self._vocabulary.correct(query, active)
        return spell_search(query, corrections) if corrections else ""

    def count_each(
        self, common: Sequence[Filter], choices: Sequence[Filter], query: SearchQuery | None
    ) -> list[int]:
        """Count the listed events that match all common filters, the search and each choice.

        Args:
            choices: either filters of events or filters of entries.

        Returns:
            The counts. One above COUNT_LIMIT may be too low, but is above COUNT_LIMIT, too.
        """
        events, entries = self._select(common)
        if query:
            events &= self._search(query).make_mask(len(events))
        entry_choices = [each for each in choices if isinstance(each, EntryFilter)]
        if entry_choices:
            counter = self._entries.make_counter(entries, events)
            return [counter.count(each.look_up(self._entries)) for each in entry_choices]
        rows = CountedRows(self._join(events, entries))
        event_choices = [each for each in choices if isinstance(each, EventFilter)]
        return [rows.count_in_all(each.look_up(self._facets)) for each in event_choices]

    def _search(self, query: SearchQuery) -> ScoredRows:
        """Return the rows that a search finds, also inactive ones; nobody may change the arrays."""
        key = query, len(self._event_ids)
        if self._last_found is None or self._last_found[0] != key:
            self._last_found = key, self._vocabulary.find(*key)
        return self._last_found[1]

    def _select(self, filters: Sequence[Filter]) -> tuple[Mask, Selection | None]:
        """Return the listed events and the entries (None for all) that match filters."""
        events = np.frombuffer(self._active, np.bool_).copy()
        for list_filter in filters:
            if isinstance(list_filter, EventFilter):
                self._apply(list_filter, events)
        entry_filters = [each for each in filters if isinstance(each, EntryFilter)]
        if not entry_filters:
            return events, None
        return events, self._entries.select(each.look_up(self._entries) for each in entry_filters)

    def _join(self, events: Mask, entries: Selection | None) -> Mask:
        """Return the mask of those of the events that have one of the entries, if these are set."""
        if entries is None:
            return events
        return events & self._entries.find_owners(entries, len(events))

    def _apply(self, list_filter: EventFilter, mask: Mask) -> None:
        """Clear the rows in the mask that do not match the filter."""
        for posting_lists in list_filter.look_up(self._facets):
            mask &= make_mask(posting_lists, len(mask))


def _find_next_change(event: IndexedEvent, now: datetime) -> float:
    """Return the POSIX time at which the offer of a ticket type ends next."""
    ends = (end for end in find_offer_ends(event) if end and end > now)
    return min(ends, default=LATEST).timestamp()
