"""The interfaces of the filters of the list of events: of whole events, and of schedule entries.

What a filter of events compares may come from several schedule entries. Filters of entries must be
met by one entry together: an event in Athens in May and in Volos in June is no event in Athens in
June.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, ClassVar, Self

from marshmallow import fields

from eventapp.core.database import Query
from eventapp.core.json import JsonObject
from eventapp.events.index.entry_table import EntryTable, Selection
from eventapp.events.index.postings import (
    EntryFacetSpec,
    Facets,
    FacetSpec,
    PostingList,
)
from eventapp.events.types import IndexedEntry, IndexedEvent


class Filter(ABC):
    """A condition that narrows the list of events. Subclasses are frozen dataclasses, for hashing.

    Attributes:
        parameters: the query parameters, by their names in the API.
        facets: what the index keeps of events for the filter.
        entry_facets: what the index keeps of schedule entries for the filter.
        facet_fields: the fields of stored events from which the facets take their values.
        examples: parameters with values, as a client sends them.
    """

    parameters: ClassVar[Mapping[str, fields.Field[Any]]]
    facets: ClassVar[tuple[FacetSpec[Any], ...]] = ()
    entry_facets: ClassVar[tuple[EntryFacetSpec[Any], ...]] = ()
    facet_fields: ClassVar[tuple[str, ...]]
    examples: ClassVar[tuple[Mapping[str, str], ...]]

    @classmethod
    @abstractmethod
    def from_query(cls, query: JsonObject) -> Self | None:
        """Return the filter that the loaded query parameters set, or None if they set none."""

    def at(self, moment: datetime) -> "Filter":  # noqa: ARG002
        """Return the filter as it applies at a moment of the database's clock.

        It is called before the filter is used. Most filters do not depend on the time.
        """
        return self


class EventFilter(Filter):
    """A filter that compares whole events."""

    @abstractmethod
    def make_condition(self) -> Query:
        """Return the MongoDB condition that stored events must meet."""

    @abstractmethod
    def look_up(self, facets: Facets[IndexedEvent]) -> list[list[PostingList]]:
        """Return groups of posting lists from the facets of the index.

        The lists of a group are alternatives, and all groups must be met: an event matches if each
        group has a list that contains it. A group without lists is met by no event.
        """


class EntryFilter(Filter):
    """A filter that one schedule entry must satisfy, together with the others of this kind."""

    @abstractmethod
    def make_entry_condition(self) -> Query:
        """Return the MongoDB condition that a stored entry must meet, for `$elemMatch`."""

    def make_event_condition(self) -> Query:
        """Return a condition that every event with such an entry meets, for an index of events.

        It is empty if the condition of the entry needs no other index.
        """
        return {}

    @abstractmethod
    def look_up(self, entries: EntryTable) -> Selection:
        """Select the entries of the index that satisfy the filter."""

    @abstractmethod
    def accepts(self, entry: IndexedEntry) -> bool:
        """Return whether a stored entry satisfies the filter."""


def make_conditions(filters: Iterable[Filter]) -> list[Query]:
    """Return the MongoDB conditions that stored events must meet to match all of these filters."""
    filters = list(filters)
    entry_filters = [each for each in filters if isinstance(each, EntryFilter)]
    conditions = [each.make_condition() for each in filters if isinstance(each, EventFilter)]
    conditions += filter(None, (each.make_event_condition() for each in entry_filters))
    if entry_filters:
        entry_conditions = [each.make_entry_condition() for each in entry_filters]
        conditions.append({"schedule": {"$elemMatch": {"$and": entry_conditions}}})
    return conditions
