"""List public events for pages, by what anybody may have typed into an address.

A value that the API would refuse is left out, and the answer names it. The list itself is that of
`GET /api/events`, so both share its cached pages.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from eventapp.accounts.organizers import find_organizers
from eventapp.core import json, paging
from eventapp.core.access.actor import Actor
from eventapp.core.database import Db
from eventapp.core.json import JsonObject
from eventapp.events import listing, rules, store_listing
from eventapp.events.cache.event_cache import EventCache
from eventapp.events.filters import load_parameters
from eventapp.events.list_requests import make_list_request
from eventapp.events.types import ListedKey

MAX_SEARCH = 200  # characters; the same limit as for the API
# What a caller sees whom nothing identifies.
NOBODY = Actor()


@dataclass(frozen=True)
class PublicListRequest:
    """A page of the public list of upcoming events, as an address asks for it.

    Attributes:
        search: what to search for; empty for nothing.
        filters: parameters of filters, as the API takes them; an empty value sets none.
        sort_by: a key of `rules.SORTS`; another value sorts a search by relevance, and any other
            list by date.
        descending: reverses the order.
        page: the number of the page, from 1.
        limit: how many events a page has.
        facets: the facets to count besides.
    """

    search: str = ""
    filters: Mapping[str, str] = field(default_factory=dict)
    sort_by: str = ""
    descending: bool = False
    page: int = 1
    limit: int = 24
    facets: tuple[str, ...] = ()


@dataclass(frozen=True)
class PublicList:
    """A page of the public list.

    Attributes:
        answer: the body of the answer of the API.
        refused: the names of the filters whose values were left out.
    """

    answer: JsonObject
    refused: frozenset[str]


def list_public_events(
    db: Db,
    request: PublicListRequest,
    *,
    event_cache: EventCache,
    now: datetime,
    image_base_url: str,
) -> PublicList:
    """Return a page of the public list of upcoming events.

    A page after the last one that a number can reach is the last of these.

    Args:
        now: the time by the database's clock.
    """
    sent = {name: value for name, value in request.filters.items() if value}
    query, refused = load_parameters(sent)
    query |= _make_order(request)
    list_request = make_list_request(
        query | {"upcoming": True, "mine": False},
        page=max(1, min(request.page, paging.COUNT_LIMIT // request.limit)),
        limit=request.limit,
        position=None,
        cursor_query={},
        facets=request.facets,
    )
    body, _etag = listing.list_events(
        db,
        list_request,
        event_cache=event_cache,
        actor=NOBODY,
        now=now,
        image_base_url=image_base_url,
    )
    return PublicList(json.loads(body), frozenset(refused))


def _make_order(request: PublicListRequest) -> JsonObject:
    """Return the search and the order, as the query of the list loads them."""
    search = clean_search(request.search)
    query: JsonObject = {"search": search} if search else {}
    if request.sort_by in rules.SORTS:
        query["sortBy"] = request.sort_by
        query["sortOrder"] = "desc" if request.descending else "asc"
    elif not search:
        query["sortBy"] = "date"
    return query


def clean_search(text: str) -> str:
    """Return what to search for, without control characters and what exceeds the limit."""
    printable = "".join(each if each.isprintable() else " " for each in text[:MAX_SEARCH])
    return " ".join(printable.split())


def find_public_ranges(db: Db, size: int) -> list[int]:
    """Return the ranges of eventIds in which there is an upcoming event that lists show.

    A range has a number from 0 and contains `size` ids; the first begins with the id 0.
    """
    ranges: list[int] = []
    event_id = store_listing.find_listed_id_after(db, -1)
    while event_id is not None:
        number = event_id // size
        ranges.append(number)
        event_id = store_listing.find_listed_id_after(db, (number + 1) * size - 1)
    return ranges


def list_public_range(db: Db, number: int, size: int) -> list[ListedKey]:
    """Return the upcoming events of a range that lists show, as `find_public_ranges` numbers it.

    An organizer without a public page is given as None.
    """
    first_id = number * size
    found = store_listing.find_listed_between(db, first_id, first_id + size - 1)
    ids = {each["organizerId"] for each in found if each["organizerId"] is not None}
    shown = find_organizers(db, ids)
    return [
        each if each["organizerId"] in shown else {**each, "organizerId": None} for each in found
    ]
