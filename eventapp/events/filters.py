"""What lists of events are filtered by, and how the database is asked for it.

`service_index` answers the same from memory.
"""

from dataclasses import dataclass
from datetime import date, datetime

from bson import ObjectId

from eventapp.core.database import Document
from eventapp.core.textsearch import fold_filter_key
from eventapp.events import rules, store_listing


@dataclass(frozen=True)
class Filters:
    """What `GET /events` filters by; the names are the API's."""

    search: str = ""
    city: str = ""
    category: str | None = None
    date_from: date | None = None
    date_to: date | None = None
    available_only: bool = False
    upcoming: bool = True
    min_price: float | None = None
    max_price: float | None = None
    tags: tuple[str, ...] = ()
    organizer_id: ObjectId | None = None
    mine: bool = False

    @property
    def city_key(self) -> str:
        return fold_filter_key(self.city)

    @property
    def tag_keys(self) -> list[str]:
        return [fold_filter_key(tag) for tag in self.tags]


def conditions(filters: Filters) -> list[Document]:
    """What the database is asked for, beside whose events and which days; some are empty."""
    return [
        store_listing.in_words(filters.search),
        store_listing.in_category(filters.category),
        store_listing.in_city(filters.city_key),
        store_listing.with_tags(filters.tag_keys),
        store_listing.by_organizer(filters.organizer_id),
        store_listing.between_dates(_midnight(filters.date_from), _midnight(filters.date_to)),
        store_listing.with_price(
            filters.min_price, filters.max_price, available_only=filters.available_only
        ),
    ]


def _midnight(day: date | None) -> datetime | None:
    return rules.midnight(day) if day else None
