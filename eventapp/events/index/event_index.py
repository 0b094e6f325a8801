"""Index the listed events in arrays, to find those that match filters and words.

Each event has a position: a number from 0, by which all arrays of the index are indexed. For each
value of a facet (a category, a city, a day) the index has the positions of the events with that
value. For each word it has the positions of the events that contain the word, with scores. A query
makes a mask of all positions for each filter and combines the masks. That takes about a millisecond
for a million events. A database would read the matching events one by one, unless one of its
indexes covers the whole query.

An edited event gets a new position at the end, and its old position becomes inactive. No position
is used twice, so that a result stays valid while the index changes.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property

import numpy as np
import numpy.typing as npt

from eventapp.core.textsearch import TextQuery, score_as_byte
from eventapp.events import store
from eventapp.events.filters import FACETS, Filter
from eventapp.events.index.postings import (
    Facets,
    GrowingArray,
    Mask,
    ScoredPostingList,
    Scores,
)
from eventapp.events.rules import ListState, sold_out_types
from eventapp.events.types import IndexedEvent

# The edit count of a position whose event was removed. No event has it.
REMOVED = -1
# An index with fewer inactive positions than this is never worth rebuilding.
MIN_INACTIVE = 1000
# The first matches are searched in a prefix of the mask, which grows until it contains enough of
# them. The first page seldom needs more than the first 4,096 positions.
FIRST_PREFIX, PREFIX_GROWTH = 4096, 8


@dataclass(frozen=True)
class Matches:
    """The events that match one query, as positions of the index at the time of the query.

    Attributes:
        event_ids: the eventId of each position.
        sorted_count: how many of the first positions have ascending eventIds; the rest are in no
            order.
        mask: whether each position matches.
        listed_count: how many events are listed in all.
        scores: the relevance of each position, 0 for one that does not match. None for a query
            without words.
    """

    event_ids: npt.NDArray[np.int64]
    sorted_count: int
    mask: Mask
    listed_count: int
    scores: Scores | None = None

    @cached_property
    def count(self) -> int:
        """How many events match."""
        return int(np.count_nonzero(self.mask))

    def all_ids(self) -> list[int]:
        """Return the eventIds of all matches, in no order."""
        ids: list[int] = self.event_ids[self.mask].tolist()
        return ids

    def contain_each(self, event_ids: list[int]) -> list[bool]:
        """Return for each of these eventIds whether it is among the matches."""
        wanted, sorted_ids = np.array(event_ids, np.int64), self.event_ids[: self.sorted_count]
        positions = np.searchsorted(sorted_ids, wanted)
        found = positions < self.sorted_count
        found[found] = sorted_ids[positions[found]] == wanted[found]
        found[found] = self.mask[positions[found]]
        unsorted_matches = self.event_ids[self.sorted_count :][self.mask[self.sorted_count :]]
        contained: list[bool] = (found | np.isin(wanted, unsorted_matches)).tolist()
        return contained

    # By eventId.

    def first_by_id(self, limit: int, direction: int) -> list[int]:
        """Return the first eventIds in ascending order, or descending if `direction` is -1."""
        positions = _first_set(self.mask[: self.sorted_count][::direction], limit)
        if direction < 0:
            positions = self.sorted_count - 1 - positions
        unsorted = np.flatnonzero(self.mask[self.sorted_count :]) + self.sorted_count
        found = np.sort(self.event_ids[np.concatenate((positions, unsorted))])[::direction]
        ids: list[int] = found[:limit].tolist()
        return ids

    def after_id(self, event_id: int, direction: int) -> "Matches":
        """Return the matches that follow this eventId in that direction."""
        follows = self.event_ids > event_id if direction > 0 else self.event_ids < event_id
        return replace(self, mask=self.mask & follows)

    # By relevance.

    def best(self, limit: int, *, skip: int = 0) -> list[tuple[int, int]]:
        """Return the best matches as (eventId, score), of equal scores the lower eventId first.

        Args:
            limit: how many to return.
            skip: how many of the best to leave out.
        """
        if not limit or self.scores is None:
            return []
        positions = self._best_positions(skip + limit, self.scores)
        ids, scores = self.event_ids[positions], self.scores[positions].astype(np.int64)
        order = np.lexsort((ids, -scores))[skip : skip + limit]
        return list(zip(ids[order].tolist(), scores[order].tolist(), strict=True))

    def after_score(self, score: float, event_id: int) -> "Matches":
        """Return the matches of a search that follow the one with this score and eventId."""
        assert self.scores is not None
        ties = (self.scores == score) & (self.event_ids > event_id)
        mask = self.mask & ((self.scores < score) | ties)
        return replace(self, mask=mask, scores=self.scores * mask)

    def _best_positions(self, limit: int, scores: Scores) -> npt.NDArray[np.intp]:
        """Return the positions of the best `limit` matches, in no order, without sorting all.

        Among equal scores, lower eventIds are better.
        """
        if self.count <= limit:
            return np.flatnonzero(self.mask)
        threshold = int(scores.max())
        while np.count_nonzero(scores >= threshold) < limit:
            threshold = threshold * 7 // 8
        candidates = np.flatnonzero(scores >= threshold)
        candidate_scores = scores[candidates]
        nth = len(candidate_scores) - limit
        lowest_score = np.partition(candidate_scores, nth)[nth]
        better = candidates[candidate_scores > lowest_score]
        ties = candidates[candidate_scores == lowest_score]
        room = limit - len(better)
        lowest_ids = np.argpartition(self.event_ids[ties], room - 1)[:room]
        return np.concatenate((better, ties[lowest_ids]))


def _first_set(mask: Mask, limit: int) -> npt.NDArray[np.intp]:
    """Return the first positions that are set in the mask, at most `limit`."""
    prefix = FIRST_PREFIX
    while True:
        found = np.flatnonzero(mask[:prefix])
        if len(found) >= limit or prefix >= len(mask):
            return found[:limit]
        prefix *= PREFIX_GROWTH


class EventIndex:
    """The words of events, and all facets of the list filters.

    Only one thread at a time may call its methods, except `is_current`, which any thread may call
    at any time.
    """

    def __init__(self, events: Iterable[IndexedEvent] = ()) -> None:
        """Index these events, then compact all posting lists once."""
        # By position: the eventId, the list state (edit count and sold-out types), the day of the
        # last date as an ordinal, and whether the position is active. It is active while its event
        # is listed and has no later position.
        self._event_ids = GrowingArray()
        self._edit_counts, self._last_days = array("i"), array("i")
        self._sold_out_types: list[tuple[bool, ...]] = []
        self._active = bytearray()
        self._inactive_count = 0
        # The first positions have ascending eventIds and are found by bisection; this is their
        # number. The positions of all other events are found in the dictionary.
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
    def needs_rebuild(self) -> bool:
        """Whether most positions are inactive, so that rebuilding the index saves memory."""
        return self._inactive_count > max(len(self), MIN_INACTIVE)

    def is_current(self, event_id: int, state: ListState) -> bool:
        """Return whether the event was last added in this state, listed or not."""
        position = self._position_of(event_id)
        if position is None:
            return False
        return (self._edit_counts[position], self._sold_out_types[position]) == state

    def add(self, event: IndexedEvent) -> None:
        """Add an event, or replace it. Queries no longer find an event that is not listed now."""
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
        # This comes last, because until then `is_current` in another thread must not find the
        # position.
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
        """Remove an event if the index contains it."""
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
        """Deactivate the events whose last date is before today."""
        past = np.frombuffer(self._last_days, np.int32) < today.toordinal()
        active = np.frombuffer(self._active, np.bool_)
        active[past] = False
        self._inactive_count = len(active) - int(np.count_nonzero(active))

    def find(self, filters: Sequence[Filter], words: TextQuery | None) -> Matches:
        """Return the listed events that match all filters and the words.

        Args:
            words: an event must contain one of its terms and no excluded term. Phrases are ignored,
                because the index does not store the order of words. None matches all events.
        """
        mask = np.frombuffer(self._active, np.bool_).copy()
        for list_filter in filters:
            self._apply(list_filter, mask)
        scores = None
        if words:
            scores = self._score(words) * mask
            mask = scores > 0
        return Matches(self._event_ids.values(), self._sorted_count, mask, len(self), scores)

    def _apply(self, list_filter: Filter, mask: Mask) -> None:
        """Clear the positions in the mask that do not match the filter."""
        for alternatives in list_filter.look_up(self._facets):
            matching = np.zeros(len(mask), np.bool_)
            for postings in alternatives:
                postings.set_in(matching)
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
