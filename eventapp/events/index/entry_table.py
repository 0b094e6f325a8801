"""The schedule entries of the events of an index, for the filters that one entry must satisfy.

Each entry has a row, a number from 0, which is its index in all arrays. A filter makes a mask of
the rows. The masks of all filters are combined, and the result becomes a mask of the events that
have an entry among the rows.
"""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

import numpy as np

from eventapp.events.index.postings import (
    EntryFacetSpec,
    Facets,
    GrowingArray,
    Mask,
    PostingList,
    make_mask,
)
from eventapp.events.types import IndexedEntry


class EntryTable:
    """The entries of the events that were added, also of those that are no longer listed.

    Attributes:
        facets: of the entries, as the filters declare them.
    """

    def __init__(self, specs: Iterable[EntryFacetSpec[Any]]) -> None:
        """Create an empty table with these facets."""
        self.facets = Facets[IndexedEntry](specs)
        # One element for each entry: the row of its event, and its date as an ordinal.
        self._owners, self._days = GrowingArray(np.int32), GrowingArray(np.int32)

    def __len__(self) -> int:
        return len(self._owners)

    def add(self, entries: Iterable[IndexedEntry], owner: int, now: datetime) -> None:
        """Add the entries of the event with this row in the index."""
        for entry in entries:
            self.facets.add(entry, len(self), now)
            self._days.append(entry["date"].toordinal())
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

    # What the index reads.

    def select(self, masks: Iterable[Mask]) -> Mask:
        """Return the mask of the entries that are set in all masks."""
        selected = np.ones(len(self), np.bool_)
        for mask in masks:
            selected &= mask
        return selected

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
