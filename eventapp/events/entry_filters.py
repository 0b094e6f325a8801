"""Declare the filters of the list of events that one schedule entry must satisfy together."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Self

from eventapp.core.database import Query
from eventapp.core.http.fields import CalendarDate, StrictText
from eventapp.core.json import JsonObject
from eventapp.core.textsearch import fold_text
from eventapp.events.filter_types import EntryFilter, Filter
from eventapp.events.index.entry_table import EntryTable, Selection
from eventapp.events.index.postings import EntryFacetSpec
from eventapp.events.offer_conditions import make_range_condition
from eventapp.events.rules import midnight
from eventapp.events.types import IndexedEntry


@dataclass(frozen=True)
class CityFilter(EntryFilter):
    """Entries with a location that contains a text, without regard to case and accents.

    Attributes:
        city_key: the folded text.
    """

    city_key: str

    parameters = {"city": StrictText(0, 100)}
    locations = EntryFacetSpec[str](
        lambda entry, _now: [entry["locationKey"]] if "locationKey" in entry else []
    )
    entry_facets = (locations,)
    facet_fields = ("schedule.locationKey",)
    examples = ({"city": "Athens"}, {"city": "zür"}, {"city": "arena"})

    @classmethod
    def from_query(cls, query: JsonObject) -> Self | None:
        city_key = fold_text(query.get("city", ""))
        # An empty text sets no filter.
        return None if city_key == "" else cls(city_key)

    def make_entry_condition(self) -> Query:
        return {"locationKey": {"$regex": re.escape(self.city_key)}}

    def make_event_condition(self) -> Query:
        return {"places": {"$regex": re.escape(self.city_key)}}

    def look_up(self, entries: EntryTable) -> Selection:
        return entries.in_any(entries.facets[self.locations].containing(self.city_key))

    def accepts(self, entry: IndexedEntry) -> bool:
        return self.city_key in entry.get("locationKey", "")


@dataclass(frozen=True)
class DateFilter(EntryFilter):
    """Entries between two days, both included; None is no bound."""

    first: date | None
    last: date | None

    parameters = {"dateFrom": CalendarDate(), "dateTo": CalendarDate()}
    facet_fields = ("schedule.date",)
    examples = (
        {"dateFrom": "2027-01-15"},
        {"dateTo": "2027-06-30"},
        {"dateFrom": "2027-03-01", "dateTo": "2027-03-31"},
    )

    @classmethod
    def from_query(cls, query: JsonObject) -> Self | None:
        first, last = query.get("dateFrom"), query.get("dateTo")
        return None if first is None and last is None else cls(first, last)

    def make_entry_condition(self) -> Query:
        first = None if self.first is None else midnight(self.first)
        last = None if self.last is None else midnight(self.last)
        return {"date": make_range_condition(first, last)}

    def look_up(self, entries: EntryTable) -> Selection:
        return entries.dated_between(self.first, self.last)

    def accepts(self, entry: IndexedEntry) -> bool:
        day = entry["date"].date()
        return (self.first or date.min) <= day <= (self.last or date.max)


def require_upcoming(filters: Sequence[Filter], today: date) -> list[Filter]:
    """Return the filters for a list of upcoming events: no entry before today may meet them.

    Without a filter of entries nothing is added, because then any entry makes an event upcoming.
    """
    if any(isinstance(each, EntryFilter) for each in filters):
        return [*filters, DateFilter(today, None)]
    return list(filters)
