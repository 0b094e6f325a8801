"""Facets: the properties of events that filters compare, each with posting lists by value.

A filter declares its facets as `FacetSpec`s, and the index holds a `Facet` for each.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, cast

from eventapp.events.index.postings import PostingList
from eventapp.events.types import IndexedEvent


class Sortable(Protocol):
    """A value that can be sorted and be the key of a dictionary."""

    def __lt__(self, other: Any, /) -> bool: ...
    def __hash__(self) -> int: ...


Value = TypeVar("Value", bound=Sortable)


class Facet(Generic[Value]):
    """One property of the events of an index: a posting list for each of its values.

    A lookup returns posting lists. The events that it finds are those in any of them.
    """

    def __init__(self) -> None:
        self._lists: dict[Value, PostingList] = {}
        self._sorted_values: list[Value] | None = None

    def add(self, values: Iterable[Value], position: int) -> None:
        """Add a position with the values that its event has; a repeated value counts once."""
        for value in set(values):
            postings = self._lists.get(value)
            if postings is None:
                postings = self._lists[value] = PostingList()
                self._sorted_values = None
            postings.add(position)

    def compact(self, length: int) -> None:
        """Make posting lists dense where that saves memory."""
        for postings in self._lists.values():
            postings.compact(length)

    def equal_to(self, value: Value) -> list[PostingList]:
        """Look up the events that have this value."""
        postings = self._lists.get(value)
        return [postings] if postings else []

    def between(self, low: Value | None, high: Value | None) -> list[PostingList]:
        """Look up the events with a value from `low` to `high`, both included; None is no bound."""
        if self._sorted_values is None:
            self._sorted_values = sorted(self._lists)
        values = self._sorted_values
        first = 0 if low is None else bisect_left(values, low)
        end = len(values) if high is None else bisect_right(values, high)
        return [self._lists[value] for value in values[first:end]]

    def where(self, predicate: Callable[[Value], bool]) -> list[PostingList]:
        """Look up the events with a value for which the predicate holds."""
        return [postings for value, postings in self._lists.items() if predicate(value)]


@dataclass(frozen=True, eq=False)
class FacetSpec(Generic[Value]):
    """The declaration of a facet, by which `Facets` finds it.

    Attributes:
        values_of: returns the values of an event; an event may have any number.
    """

    values_of: Callable[[IndexedEvent], Iterable[Value]]


class Facets:
    """The facets of one index."""

    def __init__(self, specs: Iterable[FacetSpec[Any]]) -> None:
        """Create an empty facet for each of these declarations."""
        self._facets: dict[FacetSpec[Any], Facet[Any]] = {spec: Facet() for spec in specs}

    def __getitem__(self, spec: FacetSpec[Value]) -> Facet[Value]:
        return cast(Facet[Value], self._facets[spec])

    def add(self, event: IndexedEvent, position: int) -> None:
        """Add an event to each facet."""
        for spec, facet in self._facets.items():
            facet.add(spec.values_of(event), position)

    def compact(self, length: int) -> None:
        """Make posting lists dense where that saves memory in an index of this many positions."""
        for facet in self._facets.values():
            facet.compact(length)
