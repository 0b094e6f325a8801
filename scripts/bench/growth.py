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

from eventapp import prepare_database
from eventapp.bookings.context import BookingContext
from eventapp.core.database import CLIENT_OPTIONS, Db, Document
from scripts.bench.growth_bookings import booking_lists, fill_bookings, open_till
from scripts.bench.growth_events import event_lists, fill_events
from scripts.bench.query_plans import Recorder, indexes_used

SIZES = (10_000, 100_000)
CALLS, CALL_SECONDS = 15, 15.0
LOADING_SECONDS = 3600
# The engine's planner knows a new table a few seconds after it was filled.
SETTLE_SECONDS = 10

Call = Callable[[random.Random], Any]


@dataclass
class Kind:
    """One list: medians in ms at each size; None where it took longer than a request may.

    Attributes:
        find_ms: of a `find_one` by eventId, taken in turns with it, so that what else the machine
            does harms both alike.
        plans: the index that each command of it walks, at each size, and its ms in one call.
    """

    name: str
    ms: list[float | None] = field(default_factory=list)
    find_ms: list[float] = field(default_factory=list)
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
    context = open_till(db)
    for size in sizes:
        say(f"loading {size:,} events and bookings")
        with pymongo.timeout(LOADING_SECONDS):
            prepare_database(db)
            fill_events(db, size)
            fill_bookings(db, size)
        time.sleep(SETTLE_SECONDS)
        say(f"measuring at {size:,}")
        _measure(db, context, recorder, size, kinds)
    listed = [vars(kind) for kind in kinds.values()]
    return {"sizes": sizes, "kinds": listed}


def _measure(
    db: Db, context: BookingContext, recorder: Recorder, size: int, kinds: dict[str, Kind]
) -> None:
    for name, call in {**event_lists(db, size), **booking_lists(context, size)}.items():
        kind = kinds.setdefault(name, Kind(name))
        ms, find_ms = timed(call, partial(_find_one, db, size))
        kind.ms.append(ms)
        kind.find_ms.append(find_ms)
        kind.plans.append(indexes_used(db, recorder, partial(call, random.Random(0))))


def timed(call: Call, find_one: Call) -> tuple[float | None, float]:
    """Medians of 15 different calls and of as many finds, in ms; None where most time out."""
    seen: list[tuple[float, float]] = []
    rng, over = random.Random(1), time.monotonic() + CALL_SECONDS
    _once(call, rng)
    while len(seen) < CALLS and (len(seen) < 3 or time.monotonic() < over):
        seen.append((_once(call, rng), _once(find_one, rng)))
    middle, find_ms = (median(times) for times in zip(*seen, strict=True))
    return None if middle == float("inf") else round(middle, 3), round(find_ms, 3)


def _once(call: Call, rng: random.Random) -> float:
    began = time.perf_counter()
    try:
        call(rng)
    except PyMongoError as error:
        if not error.timeout:
            raise
        return float("inf")
    return (time.perf_counter() - began) * 1e3


def _find_one(db: Db, size: int, rng: random.Random) -> Any:
    return db.events.find_one({"eventId": rng.randrange(1, size + 1)})
