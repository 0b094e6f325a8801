"""What an index found, by which pages and cursors walk."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from eventapp.events.index.postings import Marks, Scores

# Places are looked through in stretches: the first page seldom needs more than one.
STRETCH, LONGER = 4096, 8


@dataclass(frozen=True)
class Matches:
    """The events that were found, among all places of the index as it was then.

    Attributes:
        ids: of each place.
        ordered: the ids of the first so many places rise; those behind are in no order.
        chosen: the places of what was found.
        scores: of each place, 0 where it was not chosen; None where no words were asked for.
        among: how many events there were to be found.
    """

    ids: npt.NDArray[np.int64]
    ordered: int
    chosen: Marks
    among: int
    scores: Scores | None = None

    @cached_property
    def count(self) -> int:
        return int(np.count_nonzero(self.chosen))

    def all_ids(self) -> list[int]:
        return [int(event_id) for event_id in self.ids[self.chosen]]

    def holding(self, event_ids: list[int]) -> list[bool]:
        """Which of these were found."""
        asked, risen = np.array(event_ids, np.int64), self.ids[: self.ordered]
        places = np.searchsorted(risen, asked)
        there = places < self.ordered
        there[there] = risen[places[there]] == asked[there]
        there[there] = self.chosen[places[there]]
        others = self.ids[self.ordered :][self.chosen[self.ordered :]]
        return [bool(held) for held in there | np.isin(asked, others)]

    # By eventId.

    def by_id(self, most: int, direction: int) -> list[int]:
        """The first `most` eventIds upwards, or, where the direction is -1, downwards."""
        first = _first(self.chosen[: self.ordered][::direction], most)
        if direction < 0:
            first = self.ordered - 1 - first
        others = np.flatnonzero(self.chosen[self.ordered :]) + self.ordered
        found = np.sort(self.ids[np.concatenate((first, others))])[::direction]
        return [int(event_id) for event_id in found[:most]]

    def beyond_id(self, event_id: int, direction: int) -> "Matches":
        """Only those that come after this eventId in that direction."""
        beyond = self.ids > event_id if direction > 0 else self.ids < event_id
        return replace(self, chosen=self.chosen & beyond)

    # By relevance.

    def best(self, most: int) -> list[tuple[int, int]]:
        """The first `most` as `(eventId, score)`: the best, of equals the one with the lower id."""
        if not most or self.scores is None:
            return []
        places = self._best(most, self.scores)
        ids, scores = self.ids[places], self.scores[places].astype(np.int64)
        order = np.lexsort((ids, -scores))
        return list(zip(ids[order].tolist(), scores[order].tolist(), strict=True))

    def worse_than(self, score: float, event_id: int) -> "Matches":
        """Only those that come after the one of this score and eventId."""
        assert self.scores is not None
        same = (self.scores == score) & (self.ids > event_id)
        chosen = self.chosen & ((self.scores < score) | same)
        return replace(self, chosen=chosen, scores=self.scores * chosen)

    def _best(self, most: int, scores: Scores) -> npt.NDArray[np.intp]:
        """The places of the first `most`, without sorting all: of the last score the lowest ids."""
        if self.count <= most:
            return np.flatnonzero(self.chosen)
        low = int(scores.max())
        while np.count_nonzero(scores >= low) < most:
            low = low * 7 // 8
        places = np.flatnonzero(scores >= low)
        said = scores[places]
        last = np.partition(said, len(said) - most)[len(said) - most]
        better, equal = places[said > last], places[said == last]
        room = most - len(better)
        lowest = np.argpartition(self.ids[equal], room - 1)[:room]
        return np.concatenate((better, equal[lowest]))


def _first(marks: Marks, most: int) -> npt.NDArray[np.intp]:
    """The first `most` places that are marked."""
    stretch = STRETCH
    while True:
        found = np.flatnonzero(marks[:stretch])
        if len(found) >= most or stretch >= len(marks):
            return found[:most]
        stretch *= LONGER
