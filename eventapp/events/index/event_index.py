"""An index of the listed events in arrays, which finds what words and filters match.

Each event has a position, a number from 0 that is its place in all arrays of the index. Facets hold
for each category, city, day and so on the positions of its events, and `_words` holds for each word
the positions of the events that contain it, with scores. A query sets a mask of all positions for
each filter and combines the masks. That takes about a millisecond for a million events, whereas a
database reads the matching events one by one if no index of its own answers the whole query.

An event that is edited gets a new position at the end, and its old position becomes inactive. No
position is used twice, so that a result stays valid while the index changes.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from datetime import date

import numpy as np

from eventapp.core.textsearch import TextQuery, score_as_byte
from eventapp.events import store
from eventapp.events.filters import FACETS, Filter
from eventapp.events.index.facets import Facets
from eventapp.events.index.matches import Matches
from eventapp.events.index.postings import GrowingArray, Mask, ScoredPostingList, Scores
from eventapp.events.rules import ListState, sold_out_types
from eventapp.events.types import IndexedEvent

# The edit count of a position whose event was removed: it equals that of no event.
REMOVED = -1
# An index with fewer inactive positions than this is never worth rebuilding.
MIN_INACTIVE = 1000


class EventIndex:
    """Events by their words and by all facets of the list filters. It is not thread-safe.

    `is_current` alone may be called by any thread at any time.
    """

    def __init__(self, events: Iterable[IndexedEvent] = ()) -> None:
        """Index these events; posting lists are compacted once, at the end."""
        # By position: the eventId, the list state, the day of the last date as an ordinal, and
        # whether the position is active, that is: its event is listed and has no later position.
        self._event_ids = GrowingArray()
        self._edit_counts, self._last_days = array("i"), array("i")
        self._sold_out_types: list[tuple[bool, ...]] = []
        self._active = bytearray()
        self._inactive_count = 0
        # The eventIds of this many first positions rise, so that they are found by bisection. The
        # positions of all other events are found in the dictionary.
        self._sorted_count, self._unsorted_positions = 0, dict[int, int]()
        # Equal tuples of sold out types are stored once.
        self._distinct_sold_out_types = dict[tuple[bool, ...], tuple[bool, ...]]()
        self._words = dict[str, ScoredPostingList]()
        self._facets = Facets(FACETS)
        for event in events:
            self.add(event)
        self._compact()

    def __len__(self) -> int:
        """Return how many events are listed."""
        return len(self._event_ids) - self._inactive_count

    @property
    def is_worn(self) -> bool:
        """Whether most positions are inactive, so that rebuilding the index saves memory."""
        return self._inactive_count > max(len(self), MIN_INACTIVE)

    def is_current(self, event_id: int, state: ListState) -> bool:
        """Return whether the event, listed or not, was added in this state."""
        position = self._position_of(event_id)
        if position is None:
            return False
        return (self._edit_counts[position], self._sold_out_types[position]) == state

    def add(self, event: IndexedEvent) -> None:
        """Add an event, or replace it. An event that is not listed any more is found no longer."""
        event_id, position = event["eventId"], len(self._event_ids)
        self.remove(event_id)
        is_sorted = self._sorted_count == position and (
            not position or self._event_ids.values()[-1] < event_id
        )
        sold_out = sold_out_types(event)
        self._event_ids.append(event_id)
        self._edit_counts.append(event["__v"])
        self._sold_out_types.append(self._distinct_sold_out_types.setdefault(sold_out, sold_out))
        self._last_days.append(event["lastDate"].toordinal())
        self._active.append(event["listed"])
        if event["listed"]:
            self._add_postings(event, position)
        else:
            self._inactive_count += 1
        # The position is published last, because other threads call `is_current` meanwhile.
        if is_sorted:
            self._sorted_count += 1
        else:
            self._unsorted_positions[event_id] = position

    def _add_postings(self, event: IndexedEvent, position: int) -> None:
        for term, score in score_as_byte(weighted_texts(event)).items():
            if term not in self._words:
                self._words[term] = ScoredPostingList()
            self._words[term].add(position, score)
        self._facets.add(event, position)

    def _compact(self) -> None:
        length = len(self._event_ids)
        self._facets.compact(length)
        for postings in self._words.values():
            postings.compact(length)

    def remove(self, event_id: int) -> None:
        """Remove an event, if it is there."""
        position = self._position_of(event_id)
        if position is not None:
            self._unsorted_positions.pop(event_id, None)
            self._edit_counts[position] = REMOVED
            self._inactive_count += self._active[position]
            self._active[position] = False

    def _position_of(self, event_id: int) -> int | None:
        position = self._unsorted_positions.get(event_id)
        if position is not None:
            return position
        sorted_ids = self._event_ids.values()[: self._sorted_count]
        position = bisect_left(sorted_ids, event_id)
        is_found = position < len(sorted_ids) and sorted_ids[position] == event_id
        return position if is_found else None

    def remove_past(self, today: date) -> None:
        """Remove the events whose last date is before today."""
        past = np.frombuffer(self._last_days, np.int32) < today.toordinal()
        active = np.frombuffer(self._active, np.bool_)
        active[past] = False
        self._inactive_count = len(active) - int(np.count_nonzero(active))

    def find(self, filters: Sequence[Filter], words: TextQuery | None) -> Matches:
        """Return the listed events that all filters leave and the words match.

        Args:
            words: an event must contain one of its terms and no excluded term. Phrases are ignored:
                the index does not know the order of words. None matches all events.
        """
        mask = np.frombuffer(self._active, np.bool_).copy()
        for each in filters:
            self._apply(each, mask)
        scores = None
        if words:
            scores = self._score(words) * mask
            mask = scores > 0
        return Matches(self._event_ids.values(), self._sorted_count, mask, len(self), scores)

    def _apply(self, list_filter: Filter, mask: Mask) -> None:
        """Clear the positions in the mask that the filter leaves out."""
        for postings in list_filter.look_up(self._facets):
            matching = np.zeros(len(mask), np.bool_)
            for each in postings:
                each.set_in(matching)
            mask &= matching

    def _score(self, words: TextQuery) -> Scores:
        scores = np.zeros(len(self._event_ids), np.uint16)
        for term in words.terms & self._words.keys():
            self._words[term].add_to(scores)
        for term in words.excluded & self._words.keys():
            self._words[term].exclude_from(scores)
        return scores


def weighted_texts(event: IndexedEvent) -> Iterator[tuple[str, float]]:
    """Yield the texts of an event that are searched, each with the weight of its field."""
    yield event["title"], store.TEXT_WEIGHTS["title"]
    yield event["description"], store.TEXT_WEIGHTS["description"]
    for tag in event["tags"]:
        yield tag, store.TEXT_WEIGHTS["tags"]
