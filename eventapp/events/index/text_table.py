"""Keep texts of listed events of one kind: which events have them, and how they are spelled.

Texts that differ only in case, accents and typography are one text, which is shown as most events
spell it. The texts have numbers from 0, and so have their spellings. A text of which no event is
left stays in the table until the index is built anew.
"""

from array import array
from collections.abc import Iterable
from heapq import nsmallest
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt

from eventapp.core.paging import COUNT_LIMIT
from eventapp.core.textsearch import fold_text
from eventapp.events.index.postings import Mask

# The texts of this many rows are counted at a time, which the processor has in its cache.
CHUNK_LENGTH = 65_536


class TextCount(NamedTuple):
    """How many events have a text.

    Attributes:
        key: the folded text.
        text: the text as most of all listed events spell it.
        events: the number of events among those that were asked for.
    """

    key: str
    text: str
    events: int


class TextTable:
    """Texts of the rows of an index; a row may have any number.

    Attributes:
        keys: the folded texts by their numbers.
        counts: how many events have each text.
    """

    def __init__(self) -> None:
        self.keys, self.counts = list[str](), array("i")
        self._numbers = dict[str, int]()
        # The spellings of all texts: the text of each, how many events have it, and its number.
        self._spellings, self._spelling_numbers = list[str](), dict[str, int]()
        self._texts_of_spellings, self._spelling_counts = array("i"), array("i")
        # The numbers of the spellings of each text.
        self._spellings_of_texts = list[tuple[int, ...]]()
        # The spellings that the rows have, and where those of each row begin. The last number is
        # where those of the next row would begin.
        self._spellings_of_rows, self._row_starts = array("i"), array("q", [0])

    def add(self, spellings: Iterable[str]) -> None:
        """Add the next row, with these texts; each text counts once."""
        texts = set[int]()
        for spelling in spellings:
            number = self._get_spelling_number(spelling)
            text = self._texts_of_spellings[number]
            if text not in texts:
                texts.add(text)
                self._spellings_of_rows.append(number)
                self._spelling_counts[number] += 1
                self._change_count(text, 1)
        self._row_starts.append(len(self._spellings_of_rows))

    def remove(self, row: int) -> None:
        """Remove the texts of a row, which must not have been removed before."""
        start, end = self._row_starts[row : row + 2]
        for number in self._spellings_of_rows[start:end]:
            self._spelling_counts[number] -= 1
            self._change_count(self._texts_of_spellings[number], -1)

    def _change_count(self, text: int, change: int) -> None:
        self.counts[text] += change

    def _get_spelling_number(self, spelling: str) -> int:
        """Return the number of a spelling, which is added unless the table has it."""
        number = self._spelling_numbers.get(spelling)
        if number is None:
            text = self._get_text_number(fold_text(spelling))
            number = self._spelling_numbers[spelling] = len(self._spellings)
            self._spellings.append(spelling)
            self._texts_of_spellings.append(text)
            self._spelling_counts.append(0)
            self._spellings_of_texts[text] += (number,)
        return number

    def _get_text_number(self, key: str) -> int:
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self.keys)
            self.keys.append(key)
            self.counts.append(0)
            self._spellings_of_texts.append(())
        return number

    def choose_spelling(self, text: int) -> str:
        """Return the spelling of most events, of equally frequent ones the first by code points."""
        numbers = self._spellings_of_texts[text]
        best = min(numbers, key=lambda n: (-self._spelling_counts[n], self._spellings[n]))
        return self._spellings[best]

    def find_most_frequent(self, mask: Mask, active: Mask, limit: int) -> list[TextCount]:
        """Return the texts that most of the rows in a mask have.

        Texts that equally many rows have, or COUNT_LIMIT or more, are in the order of their keys.

        Args:
            mask: some of the active rows.
            active: the rows that were not removed.
        """
        all_counts = self._count_texts(mask, active)
        counts = np.minimum(all_counts, COUNT_LIMIT)
        found = np.flatnonzero(counts)
        if len(found) > limit:
            lowest = np.partition(counts, -limit)[-limit]
            found = np.flatnonzero(counts >= max(lowest, 1))
        best = nsmallest(limit, found.tolist(), key=lambda n: (-int(counts[n]), self.keys[n]))
        return [TextCount(self.keys[n], self.choose_spelling(n), int(all_counts[n])) for n in best]

    def _count_texts(self, mask: Mask, active: Mask) -> npt.NDArray[np.int64]:
        """Return how many rows in a mask have each text; arguments as for `find_most_frequent`."""
        if 2 * np.count_nonzero(mask) <= np.count_nonzero(active):
            return self._count_texts_of(np.flatnonzero(mask))
        # The texts of all active rows are counted already.
        all_counts = np.array(self.counts, np.int64)
        return all_counts - self._count_texts_of(np.flatnonzero(active & ~mask))

    def _count_texts_of(self, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.int64]:
        """Return how many of these rows have each text."""
        spelling_count = len(self._spellings)
        counts = np.zeros(spelling_count, np.int64)
        chunk_length = max(CHUNK_LENGTH, spelling_count)
        for start in range(0, len(rows), chunk_length):
            spellings = self._list_spellings(rows[start : start + chunk_length])
            counts += np.bincount(spellings, minlength=spelling_count)
        texts = np.frombuffer(self._texts_of_spellings, np.int32)
        return np.bincount(texts, counts, minlength=len(self.keys)).astype(np.int64)

    def _list_spellings(self, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.int32]:
        """Return the spellings that these rows have, one row after another."""
        row_starts = np.frombuffer(self._row_starts, np.int64)
        starts = row_starts[rows]
        lengths = row_starts[rows + 1] - starts
        # Where the spellings of each row end among those that are returned.
        ends = np.cumsum(lengths)
        positions = np.repeat(starts - ends + lengths, lengths)
        positions += np.arange(len(positions))
        spellings = np.frombuffer(self._spellings_of_rows, np.int32)[positions]
        return cast(npt.NDArray[np.int32], spellings)
