"""The schedule entries of the events of an index, for the filters that one entry must satisfy.

Each entry has a row, a number from 0, which is its index in all arrays. A filter selects rows: it
lists them if they are few, else it makes a mask. The selections of all filters are combined, and
the result becomes a mask of the events that have an entry among the rows.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import reduce
from itertools import product
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from eventapp.core.geography import Box, Circle, Degrees, Position, bound, compute_distances
from eventapp.core.paging import COUNT_LIMIT
from eventapp.events.index.postings import (
    EntryFacetSpec,
    Facets,
    GrowingArray,
    Mask,
    PostingList,
    Rows,
    make_mask,
    make_row_mask,
)
from eventapp.events.types import IndexedEntry

# A box of more cells than this is compared with all entries, which is faster than to look them up.
MAX_CELLS = 1_000
# Rows are listed if they are no more than one in this many, else a mask takes less time.
LISTED_ONE_IN = 8
# The entries of how many rows are compared at once, until enough events are counted.
COUNTED_AT_ONCE = 16_384


def _find_cells(entry: IndexedEntry) -> list[tuple[int, int]]:
    """Return the latitude and the longitude of an entry, rounded down; nothing without both."""
    lat, lng = entry.get("lat"), entry.get("lng")
    return [] if lat is None or lng is None else [(math.floor(lat), math.floor(lng))]


CELLS = EntryFacetSpec[tuple[int, int]](lambda entry, _now: _find_cells(entry))
DAYS = EntryFacetSpec[int](lambda entry, _now: [entry["date"].toordinal()])

# Rows of the table: a mask, or their numbers in any order, each once. Numpy takes both as an index.
Selection: TypeAlias = Mask | Rows


def is_mask(selection: Selection) -> bool:
    """Return whether a selection is a mask."""
    return selection.dtype == np.bool_


def find_rows(selection: Selection) -> Rows:
    """Return the numbers of the selected rows."""
    return np.flatnonzero(selection) if is_mask(selection) else cast(Rows, selection)


@dataclass(frozen=True)
class SelectedEntries:
    """The entries of a table that satisfy all filters, as it was at the time of the query.

    Attributes:
        selection: the selected rows.
        owners: the row of its event in the index, for each row of the table; ascending.
        lats, lngs: its position in degrees, NaN without one.
    """

    selection: Selection
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
        rows = np.sort(find_rows(self.selection))
        rows = rows[np.flatnonzero(events[self.owners[rows].astype(np.intp)])]
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
        self.facets = Facets[IndexedEntry]((CELLS, DAYS, *specs))
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

    def dated_between(self, first: date | None, last: date | None) -> Selection:
        """Select the entries from a day to another, both included; None is no bound."""
        low, high = (None if day is None else day.toordinal() for day in (first, last))
        if low is not None and high is not None:
            return self.in_any(self.facets[DAYS].between(low, high))
        # Most entries are in a range without an end, and the posting lists of all days are many.
        days = self._days.values()
        if low is not None:
            return days >= low
        return np.ones(len(self), np.bool_) if high is None else days <= high

    def in_any(self, posting_lists: Sequence[PostingList]) -> Selection:
        """Select the entries in any of these lists of a facet, which have none in common."""
        found = [postings.rows() for postings in posting_lists]
        is_dense = any(postings.is_dense for postings in posting_lists)
        if is_dense or sum(map(len, found)) * LISTED_ONE_IN > len(self):
            return make_mask(posting_lists, len(self))
        return np.concatenate([np.empty(0, np.int32), *found])

    def inside(self, box: Box) -> Selection:
        """Select the entries in a box."""
        lats, lngs = self._lats.values(), self._lngs.values()
        cells = _list_cells(box)
        if len(cells) > MAX_CELLS:
            return box.contains(lats, lngs)
        facet = self.facets[CELLS]
        lists = [postings for cell in cells for postings in facet.equal_to(cell)]
        rows = find_rows(self.in_any(lists))
        return rows[np.flatnonzero(box.contains(lats[rows], lngs[rows]))]

    def within(self, circle: Circle) -> Selection:
        """Select the entries in a circle."""
        rows = find_rows(self.inside(bound(circle)))
        lats, lngs = self._lats.values()[rows], self._lngs.values()[rows]
        is_near = compute_distances(circle.center, lats, lngs) <= circle.radius_km
        return rows[np.flatnonzero(is_near)]

    # What the index reads.

    def select(self, selections: Iterable[Selection]) -> Selection:
        """Select the entries that are in all selections, of which there is at least one."""
        found = list(selections)
        numbers = sorted((each for each in found if not is_mask(each)), key=len)
        masks = [each for each in found if is_mask(each)]
        if not numbers:
            return reduce(np.logical_and, masks)
        rows = numbers[0]
        for mask in (*masks, *map(self._make_mask, numbers[1:])):
            rows = rows[np.flatnonzero(mask[rows])]
        return rows

    def _make_mask(self, selection: Selection) -> Mask:
        """Return a mask of the rows of the table that is set for the selected ones."""
        if is_mask(selection):
            return cast(Mask, selection)
        return make_row_mask(cast(Rows, selection), len(self))

    def freeze(self, selected: Selection) -> SelectedEntries:
        """Return the selected entries for use while the table changes."""
        positions = self._lats.values(), self._lngs.values()
        return SelectedEntries(selected, self._owners.values(), *positions)

    def find_owners(self, selected: Selection, event_count: int) -> Mask:
        """Return the mask of the rows of the index whose events have a selected entry."""
        owners = self._owners.values()[find_rows(selected)]
        return make_row_mask(owners.astype(np.intp), event_count)

    def count_before(self, day: date) -> int:
        """Count the entries before a day, also of events that are no longer listed."""
        return int(np.count_nonzero(self._days.values() < day.toordinal()))

    def make_counter(self, selected: Selection | None, events: Mask) -> "OwnerCounter":
        """Return a counter of the events in a mask, for choices among the selected entries.

        Args:
            selected: None selects all entries.
        """
        mask = None if selected is None else self._make_mask(selected)
        if mask is not None and mask.all():
            mask = None
        return OwnerCounter(events, mask, self._owners.values())


class OwnerCounter:
    """Counts the events of a mask that have one of the entries in a mask and in a selection."""

    def __init__(self, events: Mask, entries: Mask | None, owners: npt.NDArray[np.int32]) -> None:
        """Create a counter.

        Args:
            events: the mask of the rows of the index.
            entries: the mask of the rows of the table; None for all.
            owners: the row of the event of each entry.
        """
        self._events, self._entries, self._owners = events, entries, owners

    def count(self, selection: Selection) -> int:
        """Count the events with a selected entry; a count above COUNT_LIMIT may be too low.

        Such a count is above COUNT_LIMIT, too. For most of them the first entries are enough, so
        the time hardly grows with the table.
        """
        rows, count, last_owner = np.sort(find_rows(selection)), 0, -1
        for start in range(0, len(rows), COUNTED_AT_ONCE):
            owners = self._find_owners(rows[start : start + COUNTED_AT_ONCE].astype(np.intp))
            if len(owners):
                # The entries of an event follow one another.
                count += int(np.count_nonzero(owners[1:] != owners[:-1]))
                count += int(owners[0] != last_owner)
                last_owner = owners[-1]
            if count > COUNT_LIMIT:
                break
        return count

    def _find_owners(self, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        """Return the row of the event of each of these entries that counts."""
        owners = self._owners[rows].astype(np.intp)
        counts = self._events[owners]
        if self._entries is not None:
            counts &= self._entries[rows]
        return owners[np.flatnonzero(counts)]


def _list_cells(box: Box) -> list[tuple[int, int]]:
    """Return the cells that a box touches."""
    lats = range(math.floor(box.south), math.floor(box.north) + 1)
    ranges = (range(math.floor(low), math.floor(high) + 1) for low, high in box.longitudes)
    return [cell for lngs in ranges for cell in product(lats, lngs)]
