"""The terms of all events, by which a search finds and scores the events that contain them.

Each term has a posting list: the rows of the events that contain it, each with the marks that say
in which fields (`relevance.find_marks`). A sparse list keeps rows and marks; a dense one keeps a
byte for each row of the index. For a search, the marks of the terms of each word are merged, and a
table turns them into points. If the terms have few rows, only these are scored, else all rows of
the index.
"""

from array import array
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from eventapp.core.textsearch import SearchQuery, SearchWord, is_correctable, iter_edits
from eventapp.events.index.postings import Mask, Number, Rows, make_row_mask
from eventapp.events.relevance import BEGUN_POINTS, POINTS

Scores = npt.NDArray[np.uint16]
Marks = npt.NDArray[np.uint8]
Value = TypeVar("Value", bound=np.generic)
# A list is made dense when it contains more than one in this many rows of the index. Then a byte
# for each row takes less memory than the numbers and marks.
DENSE_ONE_IN = 6
# The rows of the terms of a search are merged if they are no more than one in this many, else it
# takes less time to score all rows.
MERGED_ONE_IN = 16
# If more than one in this many rows has marks, all rows get their points, of which most are 0. They
# are added to this many rows at a time, which the processor has in its cache.
SCORED_ONE_IN, CHUNK_LENGTH = 16, 16_384
# A correction is the more likely the more events contain it. No more than this many are counted.
MAX_COUNTED = 1_000
_POINTS, _BEGUN_POINTS = np.array(POINTS, np.uint16), np.array(BEGUN_POINTS, np.uint16)
_WHOLE_WORD_POINTS = _POINTS + _BEGUN_POINTS


class ScoredRows(NamedTuple):
    """The scores of the rows that a search finds.

    Attributes:
        rows: the rows, ascending; None if `scores` has one for each row of the index.
        scores: the score of each of these rows, 0 for one that was not found.
    """

    rows: Rows | None
    scores: Scores

    def take(self, values: npt.NDArray[Value]) -> npt.NDArray[Value]:
        """Return those values, of all rows of the index, that belong to these rows."""
        return values if self.rows is None else values[self.rows]

    def keep(self, kept: Mask) -> "ScoredRows":
        """Return what is found among those of these rows for which a mask is set."""
        if self.rows is None:
            return ScoredRows(None, self.scores * kept)
        return ScoredRows(self.rows[kept], self.scores[kept])

    def list_best(self, least: int) -> "ScoredRows":
        """Return the rows with this score or a higher one, as a list."""
        found = np.flatnonzero(self.scores >= least)
        return ScoredRows(found if self.rows is None else self.rows[found], self.scores[found])

    def make_mask(self, length: int) -> Mask:
        """Return a mask of this many rows that is set for the rows that are found."""
        return self.scores > 0 if self.rows is None else make_row_mask(self.rows, length)


class TermPostings:
    """The rows whose events contain one term, in order, each with its marks."""

    __slots__ = ("_dense_marks", "_marks", "_rows")

    def __init__(self) -> None:
        self._dense_marks: Marks | None = None
        self._rows, self._marks = array("i"), array("B")

    def add(self, row: int, marks: int) -> None:
        """Add a row, which must be higher than all before."""
        self._rows.append(row)
        self._marks.append(marks)

    def compact(self, length: int) -> None:
        """Make the list dense if that saves memory in an index of this many rows."""
        if len(self._rows) * DENSE_ONE_IN > length:
            dense = np.zeros(length, np.uint8)
            self.collect(dense)
            self._dense_marks, self._rows, self._marks = dense, array("i"), array("B")

    @property
    def is_dense(self) -> bool:
        """Whether the list has a byte for each of the first rows, perhaps with further rows."""
        return self._dense_marks is not None

    def list_marks(self) -> tuple[npt.NDArray[np.int32], Marks]:
        """Return the rows that have no such byte, and the marks of each, without a copy.

        No row can be added to the list as long as the arrays are in use.
        """
        return np.frombuffer(self._rows, np.int32), np.frombuffer(self._marks, np.uint8)

    def collect(self, marks: Marks) -> None:
        """Set the marks of this term in those of all rows."""
        if self._dense_marks is not None:
            marks[: len(self._dense_marks)] |= self._dense_marks
        if self._rows:
            rows, listed_marks = self.list_marks()
            marks[rows] |= listed_marks

    def count(self, active: Mask) -> int:
        """Count the rows of this term among those that are set in a mask of all rows."""
        rows, _marks = self.list_marks()
        count = int(np.count_nonzero(active[rows]))
        if self._dense_marks is not None:
            is_marked = self._dense_marks != 0
            count += int(np.count_nonzero(is_marked & active[: len(is_marked)]))
        return count


class Vocabulary:
    """The terms of the events of one index."""

    def __init__(self) -> None:
        self._postings: dict[str, TermPostings] = {}
        # All terms in order, for prefixes; None until a search needs it.
        self._sorted_terms: list[str] | None = None
        # All characters of terms, for corrections.
        self._characters: set[str] = set()

    def add(self, marks: Mapping[str, int], row: int) -> None:
        """Add the terms of an event, with their marks."""
        for term, mark in marks.items():
            postings = self._postings.get(term)
            if postings is None:
                postings = self._postings[term] = TermPostings()
                self._characters.update(term)
                if self._sorted_terms is not None:
                    insort(self._sorted_terms, term)
            postings.add(row, mark)

    def compact(self, length: int) -> None:
        """Make posting lists dense where that saves memory in an index of this many rows."""
        for postings in self._postings.values():
            postings.compact(length)

    def find(self, query: SearchQuery, length: int) -> ScoredRows:
        """Find the rows with a word of the search, and no excluded term, among the first rows.

        The scores are those that `relevance.score_texts` gives the events.

        Args:
            length: how many rows the index has.
        """
        groups = list(self._list_groups(query))
        all_postings = [postings for group, _points in groups for postings in group]
        row_count = sum(len(postings.list_marks()[0]) for postings in all_postings)
        is_dense = any(postings.is_dense for postings in all_postings)
        if is_dense or row_count * MERGED_ONE_IN > length:
            found = _score_all_rows(groups, length)
        else:
            found = _score_listed_rows(groups)
        if query.excluded:
            excluded = _collect(self._get_all(query.excluded), length)
            found = found.keep(found.take(excluded) == 0)
        return found

    def _list_groups(self, query: SearchQuery) -> Iterator["_Group"]:
        """Yield the terms that count together, with the points that their merged marks give."""
        for word in query.words:
            whole = self._get_all(word.forms)
            if word.prefix:
                begun = [self._postings[term] for term in self._iter_beginning_with(word.prefix)]
                yield whole, _POINTS
                yield [*whole, *begun], _BEGUN_POINTS
            else:
                yield whole, _WHOLE_WORD_POINTS

    def _get_all(self, terms: Iterable[str]) -> list[TermPostings]:
        return [self._postings[term] for term in terms if term in self._postings]

    def _iter_beginning_with(self, prefix: str) -> Iterator[str]:
        if self._sorted_terms is None:
            self._sorted_terms = sorted(self._postings)
        terms = self._sorted_terms
        for at in range(bisect_left(terms, prefix), len(terms)):
            if not terms[at].startswith(prefix):
                return
            yield terms[at]

    def correct(self, query: SearchQuery, active: Mask) -> dict[str, str]:
        """Return the most frequent term that one edit makes of each word that can be corrected.

        Args:
            active: which rows count.
        """
        found = {
            word.text: self._correct_word(word, active)
            for word in query.words
            if is_correctable(word)
        }
        return {word: term for word, term in found.items() if term}

    def _correct_word(self, word: SearchWord, active: Mask) -> str | None:
        alphabet = "".join(self._characters)
        terms = {term for term in iter_edits(word.text, alphabet) if term in self._postings}
        counts = {term: self._postings[term].count(active) for term in terms}
        return choose_correction(counts)


# The posting lists of terms that count together, and the points for merged marks.
_Group = tuple[Sequence[TermPostings], npt.NDArray[np.uint16]]


def _collect(group: Iterable[TermPostings], length: int) -> Marks:
    """Return for each row the marks of all of these terms together; 0 if it has none."""
    marks = np.zeros(length, np.uint8)
    for postings in group:
        postings.collect(marks)
    return marks


def _score_all_rows(groups: Iterable[_Group], length: int) -> ScoredRows:
    """Score each of the first `length` rows."""
    scores = np.zeros(length, np.uint16)
    for group, points in groups:
        _add_points(scores, _collect(group, length), points)
    return ScoredRows(None, scores)


def _score_listed_rows(groups: Iterable[_Group]) -> ScoredRows:
    """Return the rows with points in any group, none of which has a dense list."""
    scored = [(np.empty(0, np.int32), np.empty(0, np.uint16))]
    for group, points in groups:
        if group:
            rows, marks = _merge([postings.list_marks() for postings in group], np.bitwise_or)
            scored.append((rows, points[marks]))
    return ScoredRows(*_merge(scored, np.add))


def _merge(
    parts: Sequence[tuple[npt.NDArray[np.int32], npt.NDArray[Number]]], combine: np.ufunc
) -> tuple[npt.NDArray[np.int32], npt.NDArray[Number]]:
    """Return each row of the parts once, ascending, with its numbers in all of them combined."""
    if len(parts) == 1:
        return parts[0]
    rows = np.concatenate([part_rows for part_rows, _numbers in parts])
    numbers = np.concatenate([part_numbers for _rows, part_numbers in parts])
    order = np.argsort(rows, kind="stable")  # Each part is in order, which makes this fast.
    rows = rows[order]
    starts = np.flatnonzero(np.diff(rows, prepend=-1))
    return rows[starts], combine.reduceat(numbers[order], starts, dtype=numbers.dtype)


def _add_points(scores: Scores, marks: Marks, points: npt.NDArray[np.uint16]) -> None:
    """Add to the score of each row the points of its marks."""
    is_marked = marks != 0
    if np.count_nonzero(is_marked) * SCORED_ONE_IN < len(marks):
        rows = np.flatnonzero(is_marked)
        scores[rows] += points[marks[rows]]
        return
    for start in range(0, len(marks), CHUNK_LENGTH):
        chunk = slice(start, start + CHUNK_LENGTH)
        scores[chunk] += points.take(marks[chunk], mode="clip")


def choose_correction(counts: Mapping[str, int]) -> str | None:
    """Return the term that most events contain, of equals the first by the alphabet, if any does.

    Args:
        counts: how many events contain each term; more than MAX_COUNTED count as MAX_COUNTED.
    """
    found = [(-min(count, MAX_COUNTED), term) for term, count in counts.items() if count]
    return min(found)[1] if found else None
