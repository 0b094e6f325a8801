"""The terms of all events, by which a search finds and scores the events that contain them.

Each term has a posting list: the rows of the events that contain it, each with the marks that say
in which fields (`relevance.find_marks`). A sparse list keeps rows and marks; a dense one keeps a
byte for each row of the index. For a search, the marks of the terms of each word are collected for
all rows, and a table turns them into points.
"""

from array import array
from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import numpy.typing as npt

from eventapp.core.textsearch import SearchQuery, SearchWord, is_correctable, iter_edits
from eventapp.events.index.postings import Mask
from eventapp.events.relevance import BEGUN_POINTS, POINTS

Scores = npt.NDArray[np.uint16]
Marks = npt.NDArray[np.uint8]
# A list is made dense when it contains more than one in this many rows of the index. Then a byte
# for each row takes less memory than the numbers and marks.
DENSE_ONE_IN = 6
# If more than one in this many rows has marks, all rows get their points, of which most are 0. They
# are added to this many rows at a time, which the processor has in its cache.
SCORED_ONE_IN, CHUNK_LENGTH = 16, 16_384
# A correction is the more likely the more events contain it. No more than this many are counted.
MAX_COUNTED = 1_000
_POINTS, _BEGUN_POINTS = np.array(POINTS, np.uint16), np.array(BEGUN_POINTS, np.uint16)
_WHOLE_WORD_POINTS = _POINTS + _BEGUN_POINTS


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

    def collect(self, marks: Marks) -> None:
        """Set the marks of this term in those of all rows."""
        if self._dense_marks is not None:
            marks[: len(self._dense_marks)] |= self._dense_marks
        if self._rows:
            rows = np.frombuffer(self._rows, np.int32)
            marks[rows] |= np.frombuffer(self._marks, np.uint8)


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

    def score(self, query: SearchQuery, length: int) -> Scores:
        """Return the score of each of the first `length` rows, as `relevance.score_texts` does.

        It is 0 for a row with an excluded term.
        """
        scores = np.zeros(length, np.uint16)
        for word in query.words:
            marks = self._collect(word.forms, length)
            if word.prefix:
                _add_points(scores, marks, _POINTS)
                for term in self._iter_beginning_with(word.prefix):
                    self._postings[term].collect(marks)
                _add_points(scores, marks, _BEGUN_POINTS)
            else:
                _add_points(scores, marks, _WHOLE_WORD_POINTS)
        if query.excluded:
            scores[self._collect(query.excluded, length) != 0] = 0
        return scores

    def _collect(self, terms: Iterable[str], length: int) -> Marks:
        """Return for each row the marks of all of these terms together; 0 if it has none."""
        marks = np.zeros(length, np.uint8)
        for term in terms:
            if term in self._postings:
                self._postings[term].collect(marks)
        return marks

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
        counts = {
            term: int(np.count_nonzero(self._collect([term], len(active))[active]))
            for term in terms
        }
        return choose_correction(counts)


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
