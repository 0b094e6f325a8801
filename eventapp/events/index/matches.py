"""The events that one query of the index matches, in the orders of lists."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from eventapp.core.geography import Position
from eventapp.events.index.distances import EventDistances
from eventapp.events.index.entry_table import SelectedEntries
from eventapp.events.index.postings import Mask
from eventapp.events.index.vocabulary import ScoredRows

# The first matches are searched in a prefix of the mask, which grows until it contains enough of
# them. The first page seldom needs more than the first 4,096 rows.
FIRST_PREFIX, PREFIX_GROWTH = 4096, 8


@dataclass(frozen=True)
class Matches:
    """The events that match one query, as rows of the index at the time of the query.

    Attributes:
        event_ids: the eventId of each row.
        sorted_count: how many rows, from the first on, have ascending eventIds. The eventIds of
            the rest are in no order.
        mask: for each row, whether it matches.
        listed_count: how many events are listed in all.
        found: the matches with their relevance; None for a query without words.
        entries: the schedule entries that satisfy the filters of entries; None without such a
            filter.
    """

    event_ids: npt.NDArray[np.int64]
    sorted_count: int
    mask: Mask
    listed_count: int
    found: ScoredRows | None = None
    entries: SelectedEntries | None = None

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
        rows = np.searchsorted(sorted_ids, wanted)
        found = rows < self.sorted_count
        found[found] = sorted_ids[rows[found]] == wanted[found]
        found[found] = self.mask[rows[found]]
        unsorted_matches = self.event_ids[self.sorted_count :][self.mask[self.sorted_count :]]
        contained: list[bool] = (found | np.isin(wanted, unsorted_matches)).tolist()
        return contained

    # By eventId.

    def first_by_id(self, limit: int, direction: int) -> list[int]:
        """Return the first eventIds in ascending order, or descending if `direction` is -1."""
        rows = _find_first_rows(self.mask[: self.sorted_count][::direction], limit)
        if direction < 0:
            rows = self.sorted_count - 1 - rows
        unsorted = np.flatnonzero(self.mask[self.sorted_count :]) + self.sorted_count
        found = np.sort(self.event_ids[np.concatenate((rows, unsorted))])[::direction]
        ids: list[int] = found[:limit].tolist()
        return ids

    def after_id(self, event_id: int, direction: int) -> "Matches":
        """Return the matches after this eventId in that direction, without their relevance."""
        follows = self.event_ids > event_id if direction > 0 else self.event_ids < event_id
        return replace(self, mask=self.mask & follows, found=None)

    # By distance.

    def measure(self, center: Position) -> EventDistances:
        """Return the matches with their distances, if one of the filters is for places."""
        assert self.entries is not None
        rows, distances = self.entries.measure(center, self.mask)
        return EventDistances(self.event_ids[rows], distances)

    # By relevance.

    def best(self, limit: int, *, skip: int = 0) -> list[tuple[int, int]]:
        """Return the best matches as (eventId, score), of equal scores the lower eventId first.

        Args:
            limit: how many to return.
            skip: how many of the best to leave out.
        """
        if not limit or self.found is None:
            return []
        best = self._find_best(skip + limit, self.found)
        ids, scores = best.take(self.event_ids), best.scores.astype(np.int64)
        order = np.lexsort((ids, -scores))[skip : skip + limit]
        return list(zip(ids[order].tolist(), scores[order].tolist(), strict=True))

    def after_score(self, score: int, event_id: int) -> "Matches":
        """Return the matches of a search that follow the one with this score and eventId."""
        assert self.found is not None
        scores, ids = self.found.scores, self.found.take(self.event_ids)
        found = self.found.keep((scores < score) | ((scores == score) & (ids > event_id)))
        return replace(self, mask=found.make_mask(len(self.mask)), found=found)

    def _find_best(self, limit: int, found: ScoredRows) -> ScoredRows:
        """Return the best `limit` matches, in no order, without sorting all.

        Among equal scores, lower eventIds are better.
        """
        if self.count <= limit:
            return found.list_best(1)
        threshold = int(found.scores.max())
        while np.count_nonzero(found.scores >= threshold) < limit:
            threshold = threshold * 7 // 8
        found = found.list_best(threshold)
        nth = len(found.scores) - limit
        lowest_score = np.partition(found.scores, nth)[nth]
        is_best = found.scores > lowest_score
        ties = np.flatnonzero(found.scores == lowest_score)
        missing = limit - np.count_nonzero(is_best)
        lowest_ids = np.argpartition(found.take(self.event_ids)[ties], missing - 1)[:missing]
        is_best[ties[lowest_ids]] = True
        return found.keep(is_best)


def _find_first_rows(mask: Mask, limit: int) -> npt.NDArray[np.intp]:
    """Return the first rows that match according to the mask, at most `limit`."""
    prefix = FIRST_PREFIX
    while True:
        found = np.flatnonzero(mask[:prefix])
        if len(found) >= limit or prefix >= len(mask):
            return found[:limit]
        prefix *= PREFIX_GROWTH
