"""The lists whose growth is measured, and the events and bookings that they list.

Each list is a function that draws what it asks for (a category, a page, a user) from a random
number generator, so that no two calls are alike.
"""

import random
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from itertools import islice
from typing import Any, cast

from bson import ObjectId

from eventapp import build_booking_context
from eventapp.bookings import rules as booking_rules
from eventapp.bookings import service as booking_service
from eventapp.bookings import store as booking_store
from eventapp.bookings.context import BookingContext
from eventapp.bookings.service import BookingPageRequest
from eventapp.bookings.types import StoredBooking
from eventapp.config import load_config
from eventapp.core import paging
from eventapp.core.access.actor import Actor
from eventapp.core.clock import utc_now
from eventapp.core.database import Db
from eventapp.core.http.fields import MAX_LIMIT
from eventapp.core.json import JsonObject
from eventapp.core.roles import ADMIN
from eventapp.events import calendar_feeds, list_pages, listing, public_changes, rules, suggesting
from eventapp.events.cache.event_cache import EventCache
from eventapp.events.facet_counts import add_facets
from eventapp.events.index.live_index import LiveIndex
from eventapp.events.list_requests import FACET_NAMES
from eventapp.events.public_changes import FeedPosition
from eventapp.events.schemas.queries import EventQuery, FeedQuery
from eventapp.events.store_changes import ChangeKey
from eventapp.events.types import StoredEvent
from scripts.bench.data import draw_word_pairs
from scripts.bench.wrk import BenchmarkError
from scripts.bulk_load import BATCH_SIZE, add_synthetic_events
from scripts.synthetic_events import CITIES, COMMON_WORDS, WORDS

DEEP_PAGE = 50
# Words with fewer letters are not misspelled: another word may be nearer than they are.
MIN_MISSPELLED = 8
HOST = "127.0.0.1"
ALL_FACETS = ",".join(FACET_NAMES)
SEARCHES, SAMPLES = 100, 100
INDEX_POLL_SECONDS = 0.5
# Half of all bookings are of one event. The others are of users who have this many each, for this
# many other events.
BOOKINGS_PER_USER = 20
# Two of this many bookings are cancelled.
CANCELLED_CYCLE = 10

ListCall = Callable[[random.Random], Any]
# The query parameters of GET /api/events, as a client sends them.
Parameters = dict[str, str]
ListEvents = Callable[[Parameters], JsonObject]


def add_events(db: Db, size: int) -> None:
    """Add generated events until there are `size`, with the eventIds from 1."""
    existing = db.events.count_documents({})
    if size > existing:
        add_synthetic_events(db, size - existing)


def add_bookings(db: Db, size: int) -> None:
    """Add bookings until there are `size`, straight into the store: they take no tickets."""
    numbers = iter(range(db.bookings.count_documents({}), size))
    found = db.events.find({}).sort("eventId", 1).limit(1 + BOOKINGS_PER_USER)
    events = cast(list[StoredEvent], list(found))
    while batch := [_make_booking(events, number) for number in islice(numbers, BATCH_SIZE)]:
        if not all(booking_store.insert_bookings(db, batch)):
            raise BenchmarkError("a booking was refused")


def _make_booking(events: list[StoredEvent], number: int) -> StoredBooking:
    """Return booking `number`: even ones are of the first event, odd ones of the others.

    A user has one booking of the first event, or BOOKINGS_PER_USER of the others.
    """
    half, is_even = number // 2, number % 2 == 0
    event = events[0] if is_even else events[1 + half % BOOKINGS_PER_USER]
    now = utc_now() - timedelta(seconds=number % 100_000)
    booking = booking_rules.build_booking(
        ObjectId(),
        reference=f"EVT-{number:08}",
        user_id=_make_user_id(1_000_000 + half if is_even else half // BOOKINGS_PER_USER),
        event=event,
        schedule_entry=event["schedule"][0],
        taken={1: 1},
        currency="EUR",
        hold_until=None,
        now=now,
    )
    if number % CANCELLED_CYCLE < 2:
        booking["status"] = booking_rules.CANCELLED
        booking["active"] = False
        booking["cancelledAt"] = now
    return booking


def _make_user_id(number: int) -> ObjectId:
    return ObjectId(f"{number:024x}")


def make_event_lists(db: Db, size: int) -> dict[str, ListCall]:
    """Return the calls that list events, by their names in docs/growth.md."""
    event_cache = open_event_cache(db)
    list_events = partial(_list_events, db, event_cache.index)
    lists: dict[str, ListCall] = {
        "events": lambda _: list_events({}),
        f"events, page {DEEP_PAGE}": lambda _: list_events({"page": str(DEEP_PAGE)}),
        "events, cursor": lambda rng: list_events(_make_cursor_parameters(rng, size)),
        "events, past too": lambda _: list_events({"upcoming": "false"}),
        "by category": lambda rng: list_events({"category": _choose_category(rng)}),
        "by city": lambda rng: list_events({"city": _choose_city(rng)}),
        "by tag": lambda rng: list_events({"tags": rng.choice(COMMON_WORDS)}),
        "by category and city": lambda rng: list_events(
            {"category": _choose_category(rng), "city": _choose_city(rng)}
        ),
        "by price": lambda rng: list_events(
            {"minPrice": "5", "maxPrice": str(rng.randrange(10, 40))}
        ),
        "by date": lambda rng: list_events(_choose_week(rng)),
        "with tickets": lambda _: list_events({"availableOnly": "true"}),
    }
    for name in ("title", "date", "price", "popularity"):
        lists[f"sorted by {name}"] = partial(_list_sorted, list_events, name)
    for name, common in (("search", False), ("search, common words", True)):
        searches = draw_word_pairs(SEARCHES, seed=size, common=common)
        lists[name] = partial(_list_matches, list_events, searches)
    return {
        **lists,
        "search, past too": lambda rng: list_events(
            {"search": rng.choice(searches), "upcoming": "false"}
        ),
        "search, incomplete word": lambda rng: list_events({"search": _choose_beginning(rng)}),
        "search, misspelled word": lambda rng: list_events({"search": _misspell(rng)}),
        "search, misspelled, past too": lambda rng: list_events(
            {"search": _misspell(rng), "upcoming": "false"}
        ),
        "facets": lambda _: list_events({"facets": ALL_FACETS}),
        "facets, past too": lambda _: list_events({"facets": ALL_FACETS, "upcoming": "false"}),
        "facets of a search": lambda rng: list_events(
            {"search": rng.choice(searches), "facets": ALL_FACETS}
        ),
        "near a position": lambda rng: list_events(_choose_circle(rng)),
        "near a position, past too": lambda rng: list_events(
            {**_choose_circle(rng), "upcoming": "false"}
        ),
        "in a box": lambda rng: list_events(_choose_box(rng)),
        "suggestions": lambda rng: suggesting.suggest(
            db, _choose_beginning(rng), event_cache=event_cache, actor=Actor(), now=utc_now()
        ),
        **_make_changes(db, size),
        **_make_feeds(db, event_cache, size),
    }


def _sample_events(db: Db, size: int) -> list[StoredEvent]:
    """Return about SAMPLES of the generated events, with eventIds from the whole range."""
    first = db.events.find_one({}, sort=[("eventId", 1)])
    if first is None:
        raise BenchmarkError("there are no events")
    first_id = first["eventId"]
    wanted = [first_id + size * number // SAMPLES for number in range(SAMPLES)]
    return cast(list[StoredEvent], list(db.events.find({"eventId": {"$in": wanted}})))


def _make_feeds(db: Db, event_cache: EventCache, size: int) -> dict[str, ListCall]:
    """Return the calls for calendar feeds. That of an organizer is a list feed, too."""
    event_ids = [event["eventId"] for event in _sample_events(db, size)]

    def list_feed(parameters: Parameters) -> bytes:
        return calendar_feeds.render_list_feed(
            db, FeedQuery().load(parameters), event_cache=event_cache, host=HOST, now=utc_now()
        )

    return {
        "feed of an event": lambda rng: calendar_feeds.render_event_feed(
            db, rng.choice(event_ids), host=HOST, now=utc_now()
        ),
        "feed of all events": lambda _: list_feed({}),
        "feed of a city": lambda rng: list_feed({"city": _choose_city(rng)}),
    }


def _make_changes(db: Db, size: int) -> dict[str, ListCall]:
    """Return the calls of a client that follows the changes of events."""
    times = [event["changedAt"] for event in _sample_events(db, size)]

    def list_changes(position: FeedPosition) -> Any:
        cursor = public_changes.render_position(position)
        return public_changes.list_changes(
            db, cursor, limit=MAX_LIMIT, now=utc_now(), image_base_url=""
        )

    return {
        "changes, first walk": lambda rng: list_changes(
            FeedPosition(ChangeKey(utc_now(), 0), walked_to=rng.randrange(size))
        ),
        "changes": lambda rng: list_changes(FeedPosition(ChangeKey(rng.choice(times), 0))),
    }


def open_event_cache(db: Db) -> EventCache:
    """Return an event cache, once its index of listed events is built."""
    event_cache = EventCache(db)
    while event_cache.index.count(utc_now().date()) is None:
        time.sleep(INDEX_POLL_SECONDS)
    return event_cache


def _list_events(db: Db, index: LiveIndex, parameters: Parameters) -> JsonObject:
    """Return the answer to a list request, made as if no page was cached."""
    request, today = EventQuery().load(parameters), utc_now().date()
    page = list_pages.find_page(db, request, today, index)
    page = add_facets(db, page, request, today, index)
    return listing.present_page(db, page, Actor(), image_base_url="", now=utc_now())


def _choose_circle(rng: random.Random) -> Parameters:
    """Return a circle of 5 km in a city, where events are a few kilometers from each other."""
    _name, lat, lng = rng.choice(CITIES)
    return {"near": f"{lat + rng.uniform(-0.02, 0.02):.4f},{lng:.4f}", "radius": "5"}


def _choose_box(rng: random.Random) -> Parameters:
    """Return a box of two degrees around a city."""
    _name, lat, lng = rng.choice(CITIES)
    return {"bbox": f"{lng - 1:.4f},{lat - 1:.4f},{lng + 1:.4f},{lat + 1:.4f}"}


def _list_sorted(list_events: ListEvents, field: str, rng: random.Random) -> JsonObject:
    return list_events({"sortBy": field, "order": rng.choice(("asc", "desc"))})


def _list_matches(list_events: ListEvents, searches: list[str], rng: random.Random) -> JsonObject:
    return list_events({"search": rng.choice(searches)})


def _choose_beginning(rng: random.Random) -> str:
    """Return the first letters of a word."""
    return rng.choice(WORDS)[: rng.randrange(2, 6)]


def _misspell(rng: random.Random) -> str:
    """Return a long word with a wrong letter in it."""
    word = rng.choice([word for word in WORDS if len(word) >= MIN_MISSPELLED])
    wrong = rng.randrange(1, len(word))
    return f"{word[:wrong]}q{word[wrong + 1 :]}"


def _choose_category(rng: random.Random) -> str:
    return rng.choice(rules.CATEGORIES)


def _choose_city(rng: random.Random) -> str:
    return rng.choice(CITIES)[0]


def _choose_week(rng: random.Random) -> Parameters:
    first = utc_now().date() + timedelta(days=rng.randrange(600))
    return {"dateFrom": first.isoformat(), "dateTo": (first + timedelta(days=6)).isoformat()}


def _make_cursor_parameters(rng: random.Random, size: int) -> Parameters:
    event_id = rng.randrange(size // 2, size * 9 // 10)
    position = {"value": event_id, "id": event_id, "counted": paging.COUNT_LIMIT + 1, "page": 1}
    return {"cursor": str(paging.make_next_cursor(position, {}))}


def open_context(db: Db) -> BookingContext:
    """Return the context that lists of bookings need."""
    return build_booking_context(load_config({"JWT_SECRET": "0" * 32}), db)


def make_booking_lists(context: BookingContext, size: int) -> dict[str, ListCall]:
    """Return the calls that list bookings, by their names in docs/growth.md."""
    admin, users = Actor(ObjectId(), ADMIN), size // (2 * BOOKINGS_PER_USER)
    first_event = context.db.events.find({}).sort("eventId", 1).limit(1)[0]["eventId"]

    def list_of_user(request: BookingPageRequest, rng: random.Random) -> Any:
        user_id = _make_user_id(rng.randrange(users))
        return _require_rows(
            booking_service.list_user_bookings(context, user_id, request, utc_now())
        )

    def list_of_event(request: BookingPageRequest) -> Any:
        return _require_rows(
            booking_service.list_event_bookings(context, first_event, admin, request, utc_now())
        )

    return {
        "bookings of a user": lambda rng: list_of_user(BookingPageRequest(), rng),
        "bookings of a user, confirmed": lambda rng: list_of_user(
            BookingPageRequest(status="confirmed"), rng
        ),
        "bookings of an event": lambda _: list_of_event(BookingPageRequest()),
        "bookings of an event, page 50": lambda _: list_of_event(BookingPageRequest(page=50)),
        "bookings of an event, cancelled": lambda _: list_of_event(
            BookingPageRequest(status="cancelled")
        ),
    }


def _require_rows(page: dict[str, Any]) -> dict[str, Any]:
    if not page["bookings"]:
        raise BenchmarkError("no bookings listed")
    return page
