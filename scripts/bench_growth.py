"""Time against size: every kind of list, uncached, at more and more events and bookings.

`docs/growth.json` keeps the milliseconds, `growth.md` and `growth.svg` show them.
"""

import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from typing import Any

import pymongo
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from eventapp import prepare
from eventapp.bookings.service import Shop
from eventapp.core.mongo import CLIENT_OPTIONS, Db, Document
from scripts.bench_growth_bookings import booking_lists, fill_bookings, open_till
from scripts.bench_growth_events import event_lists, fill_events
from scripts.bench_plans import Recorder, indexes_used

SIZES = (10_000, 100_000)
CALLS, FINDS, CALL_SECONDS = 15, 200, 15.0
LOADING_SECONDS = 3600
# The engine's planner knows a new table a few seconds after it was filled.
SETTLE_SECONDS = 10

Call = Callable[[random.Random], Any]


@dataclass
class Kind:
    """One list: milliseconds (median) at each size; None where it took longer than a request may.

    Attributes:
        plans: the index that each command of it walks, at each size.
    """

    name: str
    ms: list[float | None] = field(default_factory=list)
    plans: list[list[str]] = field(default_factory=list)


def measure_growth(uri: str, sizes: Iterable[int], say: Callable[[str], None]) -> dict[str, Any]:
    """Load and measure at each of these sizes, in a database that is dropped at the end."""
    recorder, grown = Recorder(), list(sizes)
    client: MongoClient[Document] = MongoClient(
        uri, tz_aware=True, event_listeners=[recorder], **CLIENT_OPTIONS
    )
    with client:
        db: Db = client.get_default_database()
        try:
            return _all_sizes(db, recorder, grown, say)
        finally:
            with pymongo.timeout(LOADING_SECONDS):
                client.drop_database(db.name)


def _all_sizes(
    db: Db, recorder: Recorder, sizes: list[int], say: Callable[[str], None]
) -> dict[str, Any]:
    kinds: dict[str, Kind] = {}
    find_ms, shop = [], open_till(db)
    for size in sizes:
        say(f"loading {size:,} events and bookings")
        with pymongo.timeout(LOADING_SECONDS):
            prepare(db)
            fill_events(db, size)
            fill_bookings(db, size)
        time.sleep(SETTLE_SECONDS)
        say(f"measuring at {size:,}")
        find_ms.append(_find_one(db, size))
        _measure(db, shop, recorder, size, kinds)
    listed = [vars(kind) for kind in kinds.values()]
    return {"sizes": sizes, "find_one_ms": find_ms, "kinds": listed}


def _measure(db: Db, shop: Shop, recorder: Recorder, size: int, kinds: dict[str, Kind]) -> None:
    for name, call in {**event_lists(db, size), **booking_lists(shop, size)}.items():
        kind = kinds.setdefault(name, Kind(name))
        kind.ms.append(timed(call))
        kind.plans.append(indexes_used(db, recorder, partial(call, random.Random(0))))


def timed(call: Call) -> float | None:
    """The median of 15 different calls, in ms; None where most time out."""
    seen: list[float] = []
    rng, over = random.Random(1), time.monotonic() + CALL_SECONDS
    _once(call, rng)
    while len(seen) < CALLS and (len(seen) < 3 or time.monotonic() < over):
        seen.append(_once(call, rng))
    middle = median(seen)
    return None if middle == float("inf") else round(middle, 3)


def _once(call: Call, rng: random.Random) -> float:
    began = time.perf_counter()
    try:
        call(rng)
    except PyMongoError as error:
        if not error.timeout:
            raise
        return float("inf")
    return (time.perf_counter() - began) * 1e3


def _find_one(db: Db, size: int) -> float:
    rng, seen = random.Random(2), []
    some = {"eventId": {"$in": [rng.randrange(1, size + 1) for _ in range(FINDS)]}}
    for event in list(db.events.find(some, {"eventId": 1})):  # some ids are never given
        began = time.perf_counter()
        db.events.find_one({"eventId": event["eventId"]})
        seen.append((time.perf_counter() - began) * 1e3)
    return round(median(seen), 3)
