"""Events with their distances from one position, in the order of a list.

The index and the database find them in different ways. Both put them in order here, so that a page
continues where the one before ended, whichever of the two found it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class EventDistances:
    """Events, each once and in no order, with their distances.

    Attributes:
        event_ids: the eventId of each event.
        distances: in km, that of the nearest of its schedule entries that match.
    """

    event_ids: npt.NDArray[np.int64]
    distances: npt.NDArray[np.float64]

    @classmethod
    def join(cls, parts: Iterable[Self]) -> Self:
        """Return the events of all parts, which have none in common."""
        parts = list(parts)
        ids = [np.empty(0, np.int64), *(part.event_ids for part in parts)]
        distances = [np.empty(0, np.float64), *(part.distances for part in parts)]
        return cls(np.concatenate(ids), np.concatenate(distances))

    @property
    def count(self) -> int:
        """How many events there are."""
        return len(self.event_ids)

    def after(self, distance: float, event_id: int, direction: int) -> Self:
        """Return those that follow the event with this distance and eventId in that direction.

        Args:
            direction: 1 if the nearest events come first, -1 if the farthest do.
        """
        farther = (self.distances - distance) * direction
        ties = (farther == 0) & ((self.event_ids - event_id) * direction > 0)
        return self._select((farther > 0) | ties)

    def first(self, limit: int, direction: int, *, skip: int = 0) -> list[tuple[float, int]]:
        """Return (distance, eventId) of the first events; equal distances are sorted by eventId.

        Args:
            limit: how many to return.
            skip: how many of the first to leave out.
        """
        end, keys = skip + limit, self.distances * direction
        if 0 < end < len(keys):
            last = np.partition(keys, end - 1)[end - 1]
            return self._select(keys <= last)._sort(direction)[skip:end]
        return self._sort(direction)[skip:end]

    def find(self, event_ids: list[int]) -> dict[int, float]:
        """Return the distances of those of these events that are among them, by eventId."""
        wanted = self._select(np.isin(self.event_ids, event_ids))
        return dict(zip(wanted.event_ids.tolist(), wanted.distances.tolist(), strict=True))

    def _select(self, mask: npt.NDArray[np.bool_]) -> Self:
        return type(self)(self.event_ids[mask], self.distances[mask])

    def _sort(self, direction: int) -> list[tuple[float, int]]:
        order = np.lexsort((self.event_ids * direction, self.distances * direction))
        ids, distances = self.event_ids[order], self.distances[order]
        return list(zip(distances.tolist(), ids.tolist(), strict=True))
