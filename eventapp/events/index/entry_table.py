"""The schedule entries of the events of an index, for the filters that one entry must satisfy.

Each entry has a row, a number from 0, which is its index in all arrays. A filter makes a mask of
the rows. The masks of all filters are combined, and the result becomes a mask of the events that
have an entry among the rows.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from eventapp.core.geography import Box, Circle, Degrees, Position, bound, compute_distances
from eventapp.events.index.postings import (
    EntryFacetSpec,
    Facets,
    GrowingArray,
    Mask,
    PostingList,
    make_mask,
)
from eventapp.events.types import IndexedEntry

# A box of more cells than this is compared with all entries, which is faster than to look them up.
MAX_CELLS = 1_000


def _find_cells(entry: IndexedEntry) -> list[tuple[int, int]]:
    """Return the latitude and the longitude of an entry, rounded down; nothing without both."""
    lat, lng = entry.get("lat"), entry.get("lng")
    return [] if lat is None or lng is None else [(math.floor(lat), math.floor(lng))]


CELLS = EntryFacetSpec[tuple[int, int]](lambda entry, _now: _find_cells(entry))


@dataclass(frozen=True)
class SelectedEntries:
    """The entries of a table that satisfy all filters, as it was at the time of the query.

    Attributes:
        mask: for each row of the table, whether it is selected.
        owners: the row of its event in the index, for each row of the table; ascending.
        lats, lngs: its position in degrees, NaN without one.
    """

    mask: Mask
    owners: npt.NDArray[np.int32]
    lats: Degrees
    lngs: Degrees

    def measure(
        self, center: Position, events: Mask
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]:
        """Return how far the nearest selected entry of events is, in km.

        Args:
            events: the mask of the rows of the index to measure.

        Returns:
            The rows of the events that have a selected entry, ascending, and their distances.
        """
        rows = np.flatnonzero(self.mask)
        rows = rows[events[self.owners[rows]]]
        if not len(rows):
            return np.empty(0, np.int32), np.empty(0, np.float64)
        distances = compute_distances(center, self.lats[rows], self.lngs[rows])
        owners = self.owners[rows]
        starts = np.flatnonzero(np.diff(owners, prepend=-1))
        nearest: npt.NDArray[np.float64] = np.minimum.reduceat(distances, starts)
        return owners[starts], nearest


class EntryTable:
    """The entries of the events that were added, also of those that are no longer listed.

    Attributes:
        facets: of the entries, as the filters declare them.
    """

    def __init__(self, specs: Iterable[EntryFacetSpec[Any]]) -> None:
        """Create an empty table with these facets."""
        self.facets = Facets[IndexedEntry]((CELLS, *specs))
        # One element for each entry: the row of its event, its date as an ordinal, and its position
        # in degrees, NaN without one.
        self._owners, self._days = GrowingArray(np.int32), GrowingArray(np.int32)
        self._lats, self._lngs = GrowingArray(np.float64), GrowingArray(np.float64)

    def __len__(self) -> int:
        return len(self._owners)

    def add(self, entries: Iterable[IndexedEntry], owner: int, now: datetime) -> None:
        """Add the entries of the event with this row in the index."""
        for entry in entries:
            self.facets.add(entry, len(self), now)
            self._days.append(entry["date"].toordinal())
            self._lats.append(entry.get("lat", math.nan))
            self._lngs.append(entry.get("lng", math.nan))
            self._owners.append(owner)

    def compact(self) -> None:
        """Make the posting lists dense where that saves memory."""
        self.facets.compact(len(self))

    # What filters look up.

    def dated_between(self, first: date | None, last: date | None) -> Mask:
        """Return the mask of the entries from a day to another, both included; None is no bound."""
        days, mask = self._days.values(), np.ones(len(self), np.bool_)
        if first is not None:
            mask &= days >= first.toordinal()
        if last is not None:
            mask &= days <= last.toordinal()
        return mask

    def in_any(self, posting_lists: Iterable[PostingList]) -> Mask:
        """Return the mask of the entries in any of these lists of a facet."""
        return make_mask(posting_lists, len(self))

    def inside(self, box: Box) -> Mask:
        """Return the mask of the entries in a box."""
        lats, lngs = self._lats.values(), self._lngs.values()
        cells = _list_cells(box)
        if len(cells) > MAX_CELLS:
            return box.contains(lats, lngs)
        facet = self.facets[CELLS]
        mask = self.in_any(postings for cell in cells for postings in facet.equal_to(cell))
        rows = np.flatnonzero(mask)
        mask[rows] = box.contains(lats[rows], lngs[rows])
        return mask

    def within(self, circle: Circle) -> Mask:
        """Return the mask of the entries in a circle."""
        mask = self.inside(bound(circle))
        rows = np.flatnonzero(mask)
        lats, lngs = self._lats.values()[rows], self._lngs.values()[rows]
        mask[rows] = compute_distances(circle.center, lats, lngs) <= circle.radius_km
        return mask

    # What the index reads.

    def select(self, masks: Iterable[Mask]) -> Mask:
        """Return the mask of the entries that are set in all masks."""
        selected = np.ones(len(self), np.bool_)
        for mask in masks:
            selected &= mask
        return selected

    def freeze(self, selected: Mask) -> SelectedEntries:
        """Return the selected entries for use while the table changes."""
        positions = self._lats.values(), self._lngs.values()
        return SelectedEntries(selected, self._owners.values(), *positions)

    def find_owners(self, selected: Mask, event_count: int) -> Mask:
        """Return the mask of the rows of the index whose events have a selected entry."""
        owners = np.zeros(event_count, np.bool_)
        owners[self._owners.values()[selected]] = True
        return owners

    def count_owners(self, selected: Mask, events: Mask) -> int:
        """Count the events in a mask that have a selected entry."""
        owners = self._owners.values()[np.flatnonzero(selected)]
        owners = owners[events[owners]]
        # The entries of an event follow one another.
        return int(np.count_nonzero(np.diff(owners))) + 1 if len(owners) else 0


def _list_cells(box: Box) -> list[tuple[int, int]]:
    """Return the cells that a box touches."""
    lats = range(math.floor(box.south), math.floor(box.north) + 1)
    ranges = (range(math.floor(low), math.floor(high) + 1) for low, high in box.longitudes)
    return [cell for lngs in ranges for cell in product(lats, lngs)]
