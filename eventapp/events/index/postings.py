"""Posting lists: which events have a value. Facets, which consist of them.

Each event of the index has a row, a number from 0. A posting list contains the rows of the events
that have one value (a category, a tag, a price). Schedule entries have rows of
their own, and facets for what one entry must satisfy. A query sets the rows of a
posting list in a mask, which is an array with one boolean for each row of the index.

A sparse list keeps its rows as sorted numbers. A dense list keeps a bitmap with one bit for each
row of the index. For many rows that takes less memory, and bitmaps of a million rows are combined
and counted in 0.01 ms. The posting lists of words are in `vocabulary`.

A facet is one property of events that a filter compares, with a posting list for each of its
values. A filter declares its facets as `FacetSpec`s, and the index has a `Facet` for each.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar, cast

import numpy as np
import numpy.typing as npt

from eventapp.events.types import IndexedEntry, IndexedEvent

Mask = npt.NDArray[np.bool_]
# The rows of some items, in no order and each once.
Rows = npt.NDArray[np.int32] | npt.NDArray[np.intp]
# A mask with one bit for each row instead of a boolean. It ends with bits that are 0, so that its
# bytes are whole 64-bit words.
Bitmap = npt.NDArray[np.uint8]
# A list is made dense when it contains more than one in this many rows of the index. Then a bit for
# each row takes less memory than the numbers.
DENSE_ONE_IN = 32
INITIAL_CAPACITY = 1024


Number = TypeVar("Number", bound=np.number[Any])


class GrowingArray(Generic[Number]):
    """An array of numbers of one type that grows by appending.

    An array that `values` has returned never changes, because appending writes only after its end.
    """

    def __init__(self, number_type: type[Number]) -> None:
        self._buffer, self._length = np.empty(INITIAL_CAPACITY, number_type), 0

    def __len__(self) -> int:
        return self._length

    def append(self, number: float) -> None:
        """Add a number, and double the buffer if it is full."""
        if self._length == len(self._buffer):
            self._buffer = np.concatenate((self._buffer, np.empty_like(self._buffer)))
        self._buffer[self._length] = number
        self._length += 1

    def values(self) -> npt.NDArray[Number]:
        """Return the numbers as an array, without a copy."""
        return self._buffer[: self._length]


class PostingList:
    """The rows whose events have one value, in order."""

    __slots__ = ("_bitmap", "_rows")

    def __init__(self) -> None:
        # The bitmap of the first rows of the index, None while the list is sparse. `_rows` contains
        # the rows that were added later.
        self._bitmap: Bitmap | None = None
        self._rows = array("i")

    def add(self, row: int) -> None:
        """Add a row, which must be higher than all before."""
        self._rows.append(row)

    def compact(self, length: int) -> None:
        """Make the list dense if that saves memory in an index of this many rows."""
        if len(self._rows) * DENSE_ONE_IN > length:
            self._bitmap = make_bitmap([self], length)
            self._rows = array("i")

    @property
    def is_dense(self) -> bool:
        """Whether the list has a bitmap, perhaps with further rows."""
        return self._bitmap is not None

    def set_bits(self, bitmap: Bitmap) -> None:
        """Set the rows that this list has in a bitmap of its own."""
        if self._bitmap is not None:
            bitmap[: len(self._bitmap)] |= self._bitmap

    def rows(self) -> npt.NDArray[np.int32]:
        """Return the rows that are in no bitmap, without a copy.

        No row can be added to the list as long as the array is in use.
        """
        return np.frombuffer(self._rows, np.int32)


def pack(mask: Mask) -> Bitmap:
    """Return a mask as a bitmap."""
    bitmap, packed = make_empty_bitmap(len(mask)), np.packbits(mask)
    bitmap[: len(packed)] = packed
    return bitmap


def make_empty_bitmap(length: int) -> Bitmap:
    """Return a bitmap of this many rows, none of which is set."""
    return np.zeros(-(-length // 64) * 8, np.uint8)


def make_row_mask(rows: Rows, length: int) -> Mask:
    """Return a mask of this many rows that is set for these rows."""
    mask = np.zeros(length, np.bool_)
    mask[rows] = True
    return mask


def make_mask(posting_lists: Sequence[PostingList], length: int) -> Mask:
    """Return a mask of this many rows that is set for the rows in any of the lists."""
    dense = [each for each in posting_lists if each.is_dense]
    if dense:
        bitmap = make_empty_bitmap(length)
        for postings in dense:
            postings.set_bits(bitmap)
        mask = np.unpackbits(bitmap, count=length).view(np.bool_)
    else:
        mask = np.zeros(length, np.bool_)
    for postings in posting_lists:
        mask[postings.rows()] = True
    return mask


def make_bitmap(posting_lists: Sequence[PostingList], length: int) -> Bitmap:
    """Return a bitmap of this many rows that is set for the rows in any of the lists."""
    bitmap = make_empty_bitmap(length)
    for postings in posting_lists:
        postings.set_bits(bitmap)
    found = [rows for postings in posting_lists if len(rows := postings.rows())]
    if found:
        # Dense lists have rows only near the end, where later events were added.
        start = min(int(rows[0]) for rows in found) // 64 * 64
        mask = np.zeros(length - start, np.bool_)
        for rows in found:
            mask[rows - start] = True
        bitmap[start // 8 :] |= pack(mask)
    return bitmap


class CountedRows:
    """The rows of a mask, to count how many of them are in posting lists."""

    def __init__(self, mask: Mask) -> None:
        self._mask, self._bitmap = mask, pack(mask)

    def count_in_all(self, groups: Iterable[Sequence[PostingList]]) -> int:
        """Count the rows that each group has in any of its lists."""
        groups = list(groups)
        match groups:
            case [[postings]] if not postings.is_dense:
                return int(np.count_nonzero(self._mask[postings.rows()]))
        bitmap = self._bitmap.copy()
        for posting_lists in groups:
            bitmap &= make_bitmap(posting_lists, len(self._mask))
        return int(np.bitwise_count(bitmap.view(np.uint64)).sum())


# Facets.


class Sortable(Protocol):
    """A value that can be sorted and be the key of a dictionary."""

    def __lt__(self, other: Any, /) -> bool: ...
    def __hash__(self) -> int: ...


Value = TypeVar("Value", bound=Sortable)
Item = TypeVar("Item", IndexedEvent, IndexedEntry)


class Facet(Generic[Value]):
    """The posting lists of one property of events, by its values.

    A lookup returns posting lists. An event is found if any of them contains it.
    """

    def __init__(self) -> None:
        self._lists: dict[Value, PostingList] = {}
        self._sorted_values: list[Value] | None = None

    def add(self, values: Iterable[Value], row: int) -> None:
        """Add a row under each value of its event; repeated values count once."""
        for value in set(values):
            postings = self._lists.get(value)
            if postings is None:
                postings = self._lists[value] = PostingList()
                self._sorted_values = None
            postings.add(row)

    def compact(self, length: int) -> None:
        """Make posting lists dense where that saves memory."""
        for postings in self._lists.values():
            postings.compact(length)

    def equal_to(self, value: Value) -> list[PostingList]:
        """Return the posting list of this value, if any event has it."""
        postings = self._lists.get(value)
        return [] if postings is None else [postings]

    def between(self, low: Value | None, high: Value | None) -> list[PostingList]:
        """Return the lists of the values from `low` to `high`, both included; None is no bound."""
        if self._sorted_values is None:
            self._sorted_values = sorted(self._lists)
        values = self._sorted_values
        first = 0 if low is None else bisect_left(values, low)
        end = len(values) if high is None else bisect_right(values, high)
        return [self._lists[value] for value in values[first:end]]

    def containing(self: "Facet[str]", part: str) -> list[PostingList]:
        """Return the lists of the texts that contain a part."""
        return [postings for text, postings in self._lists.items() if part in text]

    def where(self, predicate: Callable[[Value], bool]) -> list[PostingList]:
        """Return the lists of the values for which the predicate is true."""
        return [postings for value, postings in self._lists.items() if predicate(value)]


@dataclass(frozen=True, eq=False)
class ItemFacetSpec(Generic[Item, Value]):
    """The declaration of a facet of events or of schedule entries, by which `Facets` finds it.

    Attributes:
        get_values: returns the values of an item at a moment; an item may have any number. They
            may depend on whether the end of an offer has passed (`ticket_types.find_offer_ends`).
    """

    get_values: Callable[[Item, datetime], Iterable[Value]]


class FacetSpec(ItemFacetSpec[IndexedEvent, Value]):
    """The declaration of a facet of events."""


class EntryFacetSpec(ItemFacetSpec[IndexedEntry, Value]):
    """The declaration of a facet of schedule entries."""


class Facets(Generic[Item]):
    """The facets of one kind of items of an index: of its events, or of their schedule entries."""

    def __init__(self, specs: Iterable[ItemFacetSpec[Item, Any]]) -> None:
        """Create an empty facet for each of these declarations."""
        self._facets: dict[ItemFacetSpec[Item, Any], Facet[Any]] = {spec: Facet() for spec in specs}

    def __getitem__(self, spec: ItemFacetSpec[Item, Value]) -> Facet[Value]:
        return cast(Facet[Value], self._facets[spec])

    def add(self, item: Item, row: int, now: datetime) -> None:
        """Add an item to each facet, with its values at this time."""
        for spec, facet in self._facets.items():
            facet.add(spec.get_values(item, now), row)

    def compact(self, length: int) -> None:
        """Make posting lists dense where that saves memory in an index of this many rows."""
        for facet in self._facets.values():
            facet.compact(length)
