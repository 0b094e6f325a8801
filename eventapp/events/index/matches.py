"""The events that the index found for one query, in the orders in which pages list them."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from eventapp.events.index.postings import Mask, Scores

# The first matches are searched in a prefix of the mask, which grows until it holds enough: the
# first page seldom needs more than the first 4,096 positions.
FIRST_PREFIX, PREFIX_GROWTH = 4096, 8


@dataclass(frozen=True)
class Matches:
    """The matching events, in the positions that the index had when it was asked.

    Attributes:
        event_ids: of each position.
        sorted_count: the eventIds of this many first positions rise; the rest are in no order.
        mask: whether each position matches.
        listed_count: how many events are listed in all.
        scores: the relevance of each position, 0 where it does not match. None where no words were
            searched for.
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

    def contain(self, event_ids: list[int]) -> list[bool]:
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
            skip: how many better ones to leave out.
        """
        if not limit or self.scores is None:
            return []
        positions = self._best_positions(skip + limit, self.scores)
        ids, scores = self.event_ids[positions], self.scores[positions].astype(np.int64)
        order = np.lexsort((ids, -scores))[skip : skip + limit]
        return list(zip(ids[order].tolist(), scores[order].tolist(), strict=True))

    def after_score(self, score: float, event_id: int) -> "Matches":
        """Return the matches that follow the one with this score and eventId."""
        assert self.scores is not None
        ties = (self.scores == score) & (self.event_ids > event_id)
        mask = self.mask & ((self.scores < score) | ties)
        return replace(self, mask=mask, scores=self.scores * mask)

    def _best_positions(self, limit: int, scores: Scores) -> npt.NDArray[np.intp]:
        """Return the positions of the first `limit`, in no order and without sorting all.

        Of those with the lowest score that is needed, the ones with the lowest eventIds are taken.
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
    """Return the first positions that are set, at most `limit`."""
    prefix = FIRST_PREFIX
    while True:
        found = np.flatnonzero(mask[:prefix])
        if len(found) >= limit or prefix >= len(mask):
            return found[:limit]
        prefix *= PREFIX_GROWTH
