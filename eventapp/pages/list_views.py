"""Lists of events as pages show them: the public list, and that of an organizer."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from bson import ObjectId

from eventapp.core import json, paging
from eventapp.core.access.actor import Actor
from eventapp.core.database import Db
from eventapp.core.json import JsonObject
from eventapp.core.paging import PageRequest
from eventapp.events import organizer_pages, public_lists
from eventapp.events.cache.event_cache import EVENT_CACHE as EVENT_CACHE
from eventapp.events.cache.event_cache import EventCache
from eventapp.events.public_lists import PublicListRequest
from eventapp.organizers import profiles
from eventapp.organizers.types import PublicProfileView

PAGE_SIZE = 24
MAX_PAGE = paging.COUNT_LIMIT // PAGE_SIZE
# The orders that the page offers, by what its address says: `sortBy`, and whether it descends.
ORDERS: Mapping[str, tuple[str, bool]] = {
    "date": ("date", False),
    "price": ("price", False),
    "price-desc": ("price", True),
    "popularity": ("popularity", True),
    "title": ("title", False),
}
# The filters that the page offers, as the API names them.
FILTERS = ("category", "city", "dateFrom", "dateTo", "minPrice", "maxPrice", "tags")


@dataclass(frozen=True)
class Card:
    """An event of a list.

    Attributes:
        image: where its picture is; empty without one that a page may show.
        day: its next date, `YYYY-MM-DD`.
        time: when it begins then, `HH:MM`; empty if it is not known.
        more_dates: how many other dates it has from then on.
        price: the lowest price; None without a ticket type that everyone sees.
        has_prices: whether another ticket type costs more.
    """

    event_id: int
    title: str
    image: str
    category: str
    organizer: str
    day: str
    time: str
    location: str
    more_dates: int
    price: float | None
    has_prices: bool
    is_sold_out: bool


@dataclass(frozen=True)
class EventList:
    """A page of a list.

    Attributes:
        total: how many events the whole list has, counted up to `paging.COUNT_LIMIT`.
        is_capped: whether it has more.
        page, pages: the number of this page, and of those that a number can reach.
        corrected: what was searched for instead of a search that finds nothing; empty otherwise.
        facets: as the API answers them; empty unless asked for.
        refused: the names of the filters that were left out because of their values.
    """

    cards: list[Card]
    total: int
    is_capped: bool
    page: int
    pages: int
    corrected: str = ""
    facets: Mapping[str, list[JsonObject]] | None = None
    refused: frozenset[str] = frozenset()


def list_home(
    db: Db,
    query: Mapping[str, str],
    *,
    event_cache: EventCache,
    now: datetime,
    image_base_url: str,
) -> EventList:
    """Return the page of the public list that an address asks for.

    Args:
        query: the parameters of the address, as they were typed: `q`, `sort`, `page`, and those of
            FILTERS.
        now: the time by the database's clock.
    """
    sort_by, descending = ORDERS.get(query.get("sort", ""), ("", False))
    request = PublicListRequest(
        search=query.get("q", ""),
        filters={name: query[name].strip() for name in FILTERS if name in query},
        sort_by=sort_by,
        descending=descending,
        page=parse_page(query.get("page", "")),
        limit=PAGE_SIZE,
        facets=("category", "city"),
    )
    found = public_lists.list_public_events(
        db, request, event_cache=event_cache, now=now, image_base_url=image_base_url
    )
    today = event_cache.get_today(now)
    return _make_list(found.answer, today, image_base_url, refused=found.refused)


def list_organizer(
    db: Db,
    organizer_id: ObjectId,
    page: int,
    *,
    event_cache: EventCache,
    now: datetime,
    image_base_url: str,
) -> tuple[PublicProfileView, EventList]:
    """Return the profile of an organizer, and a page of the upcoming events, soonest first.

    Raises:
        OrganizerNotFound: the organizer has no public page.
    """
    profile = profiles.show_profile(db, organizer_id, image_base_url)
    body, _etag = organizer_pages.list_upcoming(
        db,
        organizer_id,
        PageRequest(page, PAGE_SIZE),
        event_cache=event_cache,
        actor=Actor(),
        now=now,
        image_base_url=image_base_url,
    )
    return profile, _make_list(json.loads(body), event_cache.get_today(now), image_base_url)


def parse_page(text: str) -> int:
    """Return the number of a page from an address: 1 unless it is the number of another one."""
    is_number = text.isascii() and text.isdigit() and len(text) < 6
    return max(1, min(int(text), MAX_PAGE)) if is_number else 1


def _make_list(
    answer: JsonObject, today: date, image_base_url: str, refused: frozenset[str] = frozenset()
) -> EventList:
    return EventList(
        cards=[make_card(row, today, image_base_url) for row in answer["events"]],
        total=answer["total"],
        is_capped=answer.get("totalIsCapped", False),
        page=answer["page"],
        pages=min(answer["pages"], MAX_PAGE),
        corrected=answer.get("corrected", ""),
        facets=answer.get("facets"),
        refused=refused,
    )


def make_card(row: JsonObject, today: date, image_base_url: str) -> Card:
    """Return a row of an answer of the API as a list shows it."""
    entries = sorted(row["schedule"], key=lambda each: (each["date"], each.get("startTime", "")))
    upcoming = [each for each in entries if each["date"] >= today.isoformat()] or entries[-1:]
    prices = {each["price"] for each in row["ticketTypes"]}
    return Card(
        event_id=row["eventId"],
        title=row["title"],
        image=choose_picture(row["image"], image_base_url),
        category=row["category"],
        organizer=row["organizer"],
        day=upcoming[0]["date"],
        time=upcoming[0].get("startTime", ""),
        location=upcoming[0]["location"],
        more_dates=len(upcoming) - 1,
        price=min(prices, default=None),
        has_prices=len(prices) > 1,
        is_sold_out=row["soldOut"],
    )


def choose_picture(url: str, image_base_url: str) -> str:
    """Return the address of a picture for a page, empty for one that the page may not show.

    Pictures of this server have a path alone, so that they are found by whatever name of the server
    the page was opened.
    """
    path = url.removeprefix(image_base_url)
    return path if path.startswith(("/images/", "https://")) else ""
