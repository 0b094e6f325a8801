"""Posting lists: which positions of the index have a value, or contain a word.

Each event of the index has a position, a number from 0 that is its place in all arrays. A posting
list holds the positions of the events that have one value (a category, a day, a price) or contain
one word. To look something up is to set the bits of its posting lists in a mask, an array with one
boolean for each position.

Few positions are kept as sorted numbers. Many positions are kept as a bitmap with one bit for each
position, or for words as an array of scores with one byte for each position. That takes less memory
then, and setting a mask of a million positions from it takes 0.1 ms.
"""

from array import array

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
Scores = npt.NDArray[np.uint16]
# A list is made dense when it holds more than one position in this many: there a bit takes less
# memory than a number, and a byte less than a number and a score.
DENSE_ONE_IN, DENSE_SCORED_ONE_IN = 32, 6
INITIAL_CAPACITY = 1024


class GrowingArray:
    """An array of int64 that grows by appending.

    An array that `values` returned never changes, because appending writes only behind it.
    """

    def __init__(self) -> None:
        self._buffer, self._length = np.empty(INITIAL_CAPACITY, np.int64), 0

    def __len__(self) -> int:
        return self._length

    def append(self, number: int) -> None:
        """Add a number, and double the buffer if it is full."""
        if self._length == len(self._buffer):
            self._buffer = np.concatenate((self._buffer, np.empty_like(self._buffer)))
        self._buffer[self._length] = number
        self._length += 1

    def values(self) -> npt.NDArray[np.int64]:
        """Return the numbers, without copying them."""
        return self._buffer[: self._length]


class PostingList:
    """The positions that have one value, in order."""

    __slots__ = ("_bitmap", "_bitmap_length", "_positions")

    def __init__(self) -> None:
        # The bitmap of the first `_bitmap_length` positions, None while the list is sparse, and
        # the positions that were added after it was made.
        self._bitmap: npt.NDArray[np.uint8] | None = None
        self._bitmap_length = 0
        self._positions = array("i")

    def add(self, position: int) -> None:
        """Add a position that is higher than all before."""
        self._positions.append(position)

    def compact(self, length: int) -> None:
        """Make the list dense if that saves memory in an index of this many positions."""
        if len(self._positions) * DENSE_ONE_IN > length:
            mask = np.zeros(length, np.bool_)
            self.set_in(mask)
            self._bitmap, self._bitmap_length = np.packbits(mask), length
            self._positions = array("i")

    def set_in(self, mask: Mask) -> None:
        """Set the positions of this list in the mask."""
        if self._bitmap is not None:
            bits = np.unpackbits(self._bitmap, count=self._bitmap_length)
            mask[: self._bitmap_length] |= bits.view(np.bool_)
        if self._positions:
            mask[np.frombuffer(self._positions, np.int32)] = True


class ScoredPostingList:
    """The positions whose events contain one word, in order, each with a score from 1 to 255."""

    __slots__ = ("_dense_scores", "_positions", "_scores")

    def __init__(self) -> None:
        self._dense_scores: npt.NDArray[np.uint8] | None = None
        self._positions, self._scores = array("i"), array("B")

    def add(self, position: int, score: int) -> None:
        """Add a position that is higher than all before."""
        self._positions.append(position)
        self._scores.append(score)

    def compact(self, length: int) -> None:
        """Make the list dense if that saves memory in an index of this many positions."""
        if len(self._positions) * DENSE_SCORED_ONE_IN > length:
            dense = np.zeros(length, np.uint8)
            dense[np.frombuffer(self._positions, np.int32)] = np.frombuffer(self._scores, np.uint8)
            self._dense_scores, self._positions, self._scores = dense, array("i"), array("B")

    def add_to(self, scores: Scores) -> None:
        """Add the word's scores to those of all positions."""
        if self._dense_scores is not None:
            scores[: len(self._dense_scores)] += self._dense_scores
        if self._positions:
            positions = np.frombuffer(self._positions, np.int32)
            scores[positions] += np.frombuffer(self._scores, np.uint8)

    def exclude_from(self, scores: Scores) -> None:
        """Set the score of each position that contains the word to 0."""
        if self._dense_scores is not None:
            scores[: len(self._dense_scores)] *= self._dense_scores == 0
        if self._positions:
            scores[np.frombuffer(self._positions, np.int32)] = 0
