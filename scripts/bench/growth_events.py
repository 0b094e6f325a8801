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
from eventapp.events import listing, rules
from eventapp.events.filters import Filters
from eventapp.events.index.live_index import Search
from eventapp.events.listing import Asked
from scripts.bench.data import word_pairs
from scripts.bulk_load import add_synthetic_events
from scripts.synthetic_events import CITIES, COMMON_WORDS

PAGE = 50
PAIRS = 100
BUILT_SECONDS = 0.5
Lists = dict[str, Callable[[random.Random], Any]]


def fill_events(db: Db, size: int) -> None:
    """Add generated events until there are so many, numbered from 1."""
    from_here = db.events.count_documents({})
    if size > from_here:
        add_synthetic_events(db, size - from_here)


def event_lists(db: Db, size: int) -> Lists:
    """Calls by the name of their kind; each takes what it asks for from the generator."""
    ask = partial(_ask, db, indexed(db))
    lists: Lists = {
        "events": lambda _: ask(Asked(Filters())),
        f"events, page {PAGE}": lambda _: ask(Asked(Filters(), page=PAGE)),
        "events, cursor": lambda rng: ask(_after(rng, size)),
        "events, past too": lambda _: ask(Asked(Filters(upcoming=False))),
        "by category": lambda rng: ask(Asked(Filters(category=rng.choice(rules.CATEGORIES)))),
        "by city": lambda rng: ask(Asked(Filters(city=rng.choice(CITIES)[0]))),
        "by tag": lambda rng: ask(Asked(Filters(tags=(rng.choice(COMMON_WORDS),)))),
        "by category and city": lambda rng: ask(Asked(_both(rng))),
        "by price": lambda rng: ask(Asked(Filters(min_price=5, max_price=rng.randrange(10, 40)))),
        "by date": lambda rng: ask(Asked(_week(rng))),
        "with tickets": lambda _: ask(Asked(Filters(available_only=True))),
    }
    for name in ("title", "date", "price", "popularity"):
        lists[f"sorted by {name}"] = partial(_sorted, ask, name)
    for name, common in (("search", False), ("search, common words", True)):
        pairs = word_pairs(PAIRS, seed=size, common=common)
        lists[name] = partial(_searched, ask, pairs)
    return lists


def indexed(db: Db) -> Search:
    """The index of the public list, once it is built."""
    search = Search(db)
    while search.count(utc_now().date()) is None:
        time.sleep(BUILT_SECONDS)
    return search


def _ask(db: Db, search: Search, asked: Asked) -> Any:
    return listing.list_events(
        db, asked, actor=Actor(), now=utc_now(), image_base_url="", search=search
    )


def _sorted(ask: Callable[[Asked], Any], name: str, rng: random.Random) -> Any:
    return ask(Asked(Filters(), sort_by=name, descending=rng.random() < 0.5))


def _searched(ask: Callable[[Asked], Any], pairs: list[str], rng: random.Random) -> Any:
    return ask(Asked(Filters(search=rng.choice(pairs))))


def _both(rng: random.Random) -> Filters:
    return Filters(category=rng.choice(rules.CATEGORIES), city=rng.choice(CITIES)[0])


def _week(rng: random.Random) -> Filters:
    first = utc_now().date() + timedelta(days=rng.randrange(600))
    return Filters(date_from=first, date_to=first + timedelta(days=6))


def _after(rng: random.Random, size: int) -> Asked:
    place = rng.randrange(size // 2, size * 9 // 10)
    after = {"value": place, "id": place, "counted": paging.COUNT_LIMIT + 1, "page": 1}
    return Asked(Filters(), after=after)
