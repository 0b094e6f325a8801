"""Measure how the time of each list grows with the number of events and bookings.

Each list is called through its service, one call at a time, with nothing cached but the index of
listed events. `docs/growth.json` keeps the times; `growth.md` and `growth.svg` show them.
"""

import random
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from typing import Any

import pymongo
from pymongo import MongoClient
from pymongo.errors import PyMongoError
from pymongo.monitoring import CommandListener

from eventapp import prepare_database
from eventapp.bookings.context import BookingContext
from eventapp.core.database import CLIENT_OPTIONS, Db, Document
from scripts.bench.growth_lists import (
    ListCall,
    add_bookings,
    add_events,
    make_booking_lists,
    make_event_lists,
    open_context,
)

SIZES = (10_000, 100_000)
# A list is called this often, or at least MIN_CALLS times if the calls take longer than
# CALL_SECONDS in all.
CALLS, MIN_CALLS, CALL_SECONDS = 15, 3, 15.0
LOADING_SECONDS = 3600
# The engine, a server that is compatible with MongoDB and stores in PostgreSQL, collects statistics
# for its query planner only some seconds after a table was filled.
STATISTICS_SECONDS = 10
TIMED_OUT = float("inf")

# What the driver adds to a command and `explain` refuses.
DRIVER_FIELDS = ("lsid", "$db", "$clusterTime", "$readPreference", "maxTimeMS", "txnNumber")
RECORDED_COLLECTIONS = ("events", "bookings")


@dataclass
class ListTimes:
    """The times of one list at each size. The names of the fields are keys of growth.json.

    Attributes:
        ms: median milliseconds of a call; None if most calls took longer than a request may.
        find_ms: median milliseconds of a `find_one` by eventId. The calls alternate with those of
            the list, so that other load on the machine affects both alike.
        plans: for each command of a call, the index that it uses and its milliseconds.
    """

    name: str
    ms: list[float | None] = field(default_factory=list)
    find_ms: list[float] = field(default_factory=list)
    plans: list[list[str]] = field(default_factory=list)


def measure_growth(
    uri: str, sizes: Iterable[int], print_progress: Callable[[str], None]
) -> dict[str, Any]:
    """Fill a database to each size in turn and time all lists there; drop it at the end.

    Returns:
        `sizes`, and `kinds`: the fields of ListTimes of each list.
    """
    recorder = CommandRecorder()
    client: MongoClient[Document] = MongoClient(
        uri, tz_aware=True, event_listeners=[recorder], **CLIENT_OPTIONS
    )
    with client:
        db: Db = client.get_default_database()
        try:
            return _measure_sizes(db, recorder, list(sizes), print_progress)
        finally:
            with pymongo.timeout(LOADING_SECONDS):
                client.drop_database(db.name)


def _measure_sizes(
    db: Db,
    recorder: "CommandRecorder",
    sizes: list[int],
    print_progress: Callable[[str], None],
) -> dict[str, Any]:
    times: dict[str, ListTimes] = {}
    context = open_context(db)
    for size in sizes:
        print_progress(f"loading {size:,} events and bookings")
        with pymongo.timeout(LOADING_SECONDS):
            prepare_database(db)
            add_events(db, size)
            add_bookings(db, size)
        time.sleep(STATISTICS_SECONDS)
        print_progress(f"measuring at {size:,}")
        _measure_size(context, recorder, size, times)
    return {"sizes": sizes, "kinds": [vars(each) for each in times.values()]}


def _measure_size(
    context: BookingContext, recorder: "CommandRecorder", size: int, times: dict[str, ListTimes]
) -> None:
    db = context.db
    for name, call in {**make_event_lists(db, size), **make_booking_lists(context, size)}.items():
        list_times = times.setdefault(name, ListTimes(name))
        ms, find_ms = measure_calls(call, partial(_find_one, db, size))
        list_times.ms.append(ms)
        list_times.find_ms.append(find_ms)
        list_times.plans.append(explain_call(db, recorder, partial(call, random.Random(0))))


def measure_calls(call: ListCall, find_one: ListCall) -> tuple[float | None, float]:
    """Return the median milliseconds of a list and of a `find_one`, called in turns.

    The first is None if most calls of the list timed out.
    """
    times: list[tuple[float, float]] = []
    rng, deadline = random.Random(1), time.monotonic() + CALL_SECONDS
    _time_call(call, rng)  # The first call is not counted: it fills caches of the database.
    while len(times) < CALLS and (len(times) < MIN_CALLS or time.monotonic() < deadline):
        times.append((_time_call(call, rng), _time_call(find_one, rng)))
    ms, find_ms = (median(column) for column in zip(*times, strict=True))
    return None if ms == TIMED_OUT else round(ms, 3), round(find_ms, 3)


def _time_call(call: ListCall, rng: random.Random) -> float:
    """Return the milliseconds of one call, or TIMED_OUT."""
    started = time.perf_counter()
    try:
        call(rng)
    except PyMongoError as error:
        if not error.timeout:
            raise
        return TIMED_OUT
    return (time.perf_counter() - started) * 1e3


def _find_one(db: Db, size: int, rng: random.Random) -> Any:
    return db.events.find_one({"eventId": rng.randrange(1, size + 1)})


class CommandRecorder(CommandListener):
    """Record the commands that read events and bookings, and their milliseconds."""

    def __init__(self) -> None:
        self.commands: list[dict[str, Any]] = []
        self.ms: list[float] = []
        self._request_id = 0

    def started(self, event: Any) -> None:
        if event.command_name in ("find", "aggregate"):
            command = {
                name: part for name, part in event.command.items() if name not in DRIVER_FIELDS
            }
            if command[event.command_name] in RECORDED_COLLECTIONS:
                self.commands.append(command)
                self._request_id = event.request_id

    def succeeded(self, event: Any) -> None:
        if event.request_id == self._request_id:  # The driver reports all commands.
            self.ms.append(event.duration_micros / 1e3)

    failed = succeeded


def explain_call(db: Db, recorder: CommandRecorder, call: Callable[[], Any]) -> list[str]:
    """Return, for each command that the call sends, its plan in words and its milliseconds."""
    recorder.commands.clear()
    recorder.ms.clear()
    try:
        call()
    except PyMongoError as error:
        if not error.timeout:
            raise
    sent = list(zip(recorder.commands, recorder.ms, strict=True))
    return [f"{_explain(db, command)} {ms:.1f}" for command, ms in sent]


def _explain(db: Db, command: dict[str, Any]) -> str:
    return describe_plan(db.command({"explain": command, "verbosity": "queryPlanner"}))


def describe_plan(plan: Any) -> str:
    """Return the names of the indexes in a plan, and ", sorted" if it sorts in memory.

    It reads the plans of MongoDB, and those of the engine, which are plans of PostgreSQL.
    """
    text = str(plan)
    names = re.findall(r"indexName(?:'?: '?)([\w.]+)", text)
    # The engine reports a scan of the whole collection along _id as an index scan without a name.
    used = ", ".join(dict.fromkeys(names)) or "no index"
    sorts = re.search(r"-> +(Incremental )?Sort\b|'(Limit|Sort)',? ?'?Sort|'stage': 'SORT'", text)
    return f"{used}, sorted" if sorts else used
