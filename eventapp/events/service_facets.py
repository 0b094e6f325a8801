"""Which places of an index have which value of something: of a category, a day, a price."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

Places = npt.NDArray[np.int32]


class Ordered(Protocol):
    """What can be sorted and looked up."""

    def __lt__(self, other: Any, /) -> bool: ...
    def __hash__(self) -> int: ...


Value = TypeVar("Value", bound=Ordered)


class Facet(Generic[Value]):
    """The places of each value, in order. Arrays that grow: of what they give nothing is kept."""

    def __init__(self) -> None:
        self._places: dict[Value, array[int]] = {}
        self._sorted: list[Value] | None = None

    def add(self, values: Iterable[Value], place: int) -> None:
        """Note each of the values once for the place."""
        for value in set(values):
            places = self._places.get(value)
            if places is None:
                places = self._places[value] = array("i")
                self._sorted = None
            places.append(place)

    def of(self, value: Value) -> Iterator[Places]:
        """The places that have the value, none or one array of them."""
        if places := self._places.get(value):
            yield np.frombuffer(places, np.int32)

    def within(self, low: Value | None, high: Value | None) -> Iterator[Places]:
        """The places of each value in both bounds; None is no bound."""
        if self._sorted is None:
            self._sorted = sorted(self._places)
        first = 0 if low is None else bisect_left(self._sorted, low)
        last = len(self._sorted) if high is None else bisect_right(self._sorted, high)
        for value in self._sorted[first:last]:
            yield from self.of(value)


class Names(Facet[str]):
    """The same of texts, which are found by a part of them too."""

    def containing(self, part: str) -> Iterator[Places]:
        """The places of each text that has this part."""
        for name in self._places:
            if part in name:
                yield from self.of(name)
