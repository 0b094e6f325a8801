"""What an index found, by which pages and cursors walk."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Matches:
    """The events that were found: their eventIds and, where words were asked for, scores beside.

    Attributes:
        ordered: so many of the ids come first and rise; those behind are in no order.
        among: how many events there were to be found.
    """

    ids: Ids
    ordered: int
    among: int
    scores: npt.NDArray[np.int32] | None = None

    def __len__(self) -> int:
        return len(self.ids)

    # By eventId.

    def by_id(self, most: int, direction: int) -> list[int]:
        """The first `most` eventIds upwards, or, where the direction is -1, downwards."""
        risen, others = self.ids[: self.ordered], self.ids[self.ordered :]
        first = risen[:most] if direction > 0 else risen[max(len(risen) - most, 0) :]
        found = np.sort(np.concatenate((first, others)))[::direction]
        return [int(event_id) for event_id in found[:most]]

    def beyond_id(self, event_id: int, direction: int) -> "Matches":
        """Only those that come after this eventId in that direction."""
        chosen = self.ids > event_id if direction > 0 else self.ids < event_id
        return self._where(chosen)

    # By relevance.

    def best(self, most: int) -> list[tuple[int, int]]:
        """The first `most` as `(eventId, score)`: the best, of equals the one with the lower id."""
        if not most or self.scores is None:
            return []
        top = self if len(self) <= most else self._top(most, self.scores)
        assert top.scores is not None
        order = np.lexsort((top.ids, -top.scores))
        return list(zip(top.ids[order].tolist(), top.scores[order].tolist(), strict=True))

    def worse_than(self, score: float, event_id: int) -> "Matches":
        """Only those that come after the one of this score and eventId."""
        assert self.scores is not None
        same = (self.scores == score) & (self.ids > event_id)
        return self._where((self.scores < score) | same)

    def _top(self, most: int, scores: npt.NDArray[np.int32]) -> "Matches":
        """The first `most`, without sorting all: of the last score only the lowest ids."""
        last = np.partition(scores, len(self) - most)[len(self) - most]
        better, equal = self._where(scores > last), self.ids[scores == last]
        room = most - len(better)
        lowest = np.partition(equal, room - 1)[:room]
        ids = np.concatenate((better.ids, lowest))
        return replace(self, ids=ids, scores=np.append(scores[scores > last], np.full(room, last)))

    def _where(self, chosen: npt.NDArray[np.bool_]) -> "Matches":
        ordered = int(np.count_nonzero(chosen[: self.ordered]))
        scores = None if self.scores is None else self.scores[chosen]
        return replace(self, ids=self.ids[chosen], ordered=ordered, scores=scores)
