"""The lists of events whose growth is measured, and the events."""

import random
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from eventapp.core import paging
from eventapp.core.access.actor import Actor
from eventapp.core.clock import utc_now
from eventapp.core.database import Db
from eventapp.core.json import JsonObject
from eventapp.events import listing, rules
from eventapp.events.index.live_index import LiveIndex
from eventapp.events.schemas import EventQuery
from scripts.bench.data import word_pairs
from scripts.bulk_load import add_synthetic_events
from scripts.synthetic_events import CITIES, COMMON_WORDS

PAGE = 50
PAIRS = 100
BUILT_SECONDS = 0.5
Lists = dict[str, Callable[[random.Random], Any]]
# The parameters of a list, as a client sends them.
Query = dict[str, str]
Ask = Callable[[Query], JsonObject]


def fill_events(db: Db, size: int) -> None:
    """Add generated events until there are so many, numbered from 1."""
    from_here = db.events.count_documents({})
    if size > from_here:
        add_synthetic_events(db, size - from_here)


def event_lists(db: Db, size: int) -> Lists:
    """Calls by the name of their kind; each takes what it asks for from the generator."""
    ask = partial(_ask, db, indexed(db))
    lists: Lists = {
        "events": lambda _: ask({}),
        f"events, page {PAGE}": lambda _: ask({"page": str(PAGE)}),
        "events, cursor": lambda rng: ask(_after(rng, size)),
        "events, past too": lambda _: ask({"upcoming": "false"}),
        "by category": lambda rng: ask({"category": rng.choice(rules.CATEGORIES)}),
        "by city": lambda rng: ask({"city": rng.choice(CITIES)[0]}),
        "by tag": lambda rng: ask({"tags": rng.choice(COMMON_WORDS)}),
        "by category and city": lambda rng: ask(_both(rng)),
        "by price": lambda rng: ask({"minPrice": "5", "maxPrice": str(rng.randrange(10, 40))}),
        "by date": lambda rng: ask(_week(rng)),
        "with tickets": lambda _: ask({"availableOnly": "true"}),
    }
    for name in ("title", "date", "price", "popularity"):
        lists[f"sorted by {name}"] = partial(_sorted, ask, name)
    for name, common in (("search", False), ("search, common words", True)):
        pairs = word_pairs(PAIRS, seed=size, common=common)
        lists[name] = partial(_searched, ask, pairs)
    return lists


def indexed(db: Db) -> LiveIndex:
    """Return the index of the public list, once it is built."""
    index = LiveIndex(db)
    while index.count(utc_now().date()) is None:
        time.sleep(BUILT_SECONDS)
    return index


def _ask(db: Db, index: LiveIndex, query: Query) -> JsonObject:
    """Return the answer to a query, as it is made where no page is cached."""
    request, actor = EventQuery().load(query), Actor()
    page = listing.find_page(db, request, actor, utc_now(), index)
    return listing.present_page(db, page, actor, image_base_url="")


def _sorted(ask: Ask, name: str, rng: random.Random) -> JsonObject:
    return ask({"sortBy": name, "order": rng.choice(("asc", "desc"))})


def _searched(ask: Ask, pairs: list[str], rng: random.Random) -> JsonObject:
    return ask({"search": rng.choice(pairs)})


def _both(rng: random.Random) -> Query:
    return {"category": rng.choice(rules.CATEGORIES), "city": rng.choice(CITIES)[0]}


def _week(rng: random.Random) -> Query:
    first = utc_now().date() + timedelta(days=rng.randrange(600))
    return {"dateFrom": first.isoformat(), "dateTo": (first + timedelta(days=6)).isoformat()}


def _after(rng: random.Random, size: int) -> Query:
    event_id = rng.randrange(size // 2, size * 9 // 10)
    position = {"value": event_id, "id": event_id, "counted": paging.COUNT_LIMIT + 1, "page": 1}
    return {"cursor": str(paging.next_cursor(position, {}))}
