"""Keep the texts of listed events that become values of facets: cities, months and tags."""

from typing import Literal, TypeAlias

from eventapp.events.index.postings import Mask
from eventapp.events.index.text_table import TextCount, TextTable
from eventapp.events.types import IndexedEvent

# The facets whose values are texts of events.
TextFacet: TypeAlias = Literal["city", "month", "tags"]


def get_city(location: str) -> str:
    """Return the text after the last comma of a location, or all of it without a comma."""
    return location.rpartition(",")[2].strip()


class FacetTexts:
    """The texts of the rows of an index, by facet."""

    def __init__(self, tags: TextTable) -> None:
        """Create tables of cities and months without rows.

        Args:
            tags: the tags of the same rows. This object only reads it.
        """
        self._cities, self._months = TextTable(), TextTable()
        self._tables = {"city": self._cities, "month": self._months, "tags": tags}

    def add(self, event: IndexedEvent) -> None:
        """Add the event of the next row. One that is not listed has no texts."""
        schedule = event["schedule"] if event["listed"] else []
        cities = (get_city(entry["location"]) for entry in schedule)
        months = (entry["date"].strftime("%Y-%m") for entry in schedule)
        self._cities.add(dict.fromkeys(city for city in cities if city))
        self._months.add(dict.fromkeys(months))

    def remove(self, row: int) -> None:
        """Remove the event of a row, which must not have been removed before."""
        self._cities.remove(row)
        self._months.remove(row)

    def find_most_frequent(
        self, facet: TextFacet, mask: Mask, active: Mask, limit: int
    ) -> list[TextCount]:
        """Return the texts that most of the rows in a mask have, as `TextTable` does."""
        return self._tables[facet].find_most_frequent(mask, active, limit)
