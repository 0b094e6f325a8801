"""Run the benchmark: load data, start a server, warm up, measure some rounds, check, take medians.

A round measures every figure once, each right after the reference that it is compared with.
"""

import os
import platform
import random
import secrets
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import quote

import pymongo

from eventapp.config import load_config
from eventapp.core.database import Db, connect
from scripts.bench import sale_events
from scripts.bench.checks import check_booking_count, check_inventory, check_reads
from scripts.bench.data import BenchmarkData, draw_word_pairs, load_data, make_booking_requests
from scripts.bench.reference import Reference, undo_sales
from scripts.bench.server import Server, make_settings, read_resident_mb
from scripts.bench.streams import measure_round as measure_streams
from scripts.bench.table import ROWS, RoundFigures, summarize_row
from scripts.bench.wrk import CONNECTIONS, BenchmarkError, Load, load_bookings, load_paths

WARM_UP_SECONDS = 2
DATABASE_TIMEOUT_SECONDS = 600
# More searches and bookings a second than are ever answered, so that none is sent twice.
MAX_SEARCH_RATE, MAX_BOOKING_RATE = 4000, 4000
# All events are read until each process has very likely rendered each of them.
EVENT_WARM_UP_LOADS, EVENT_WARM_UP_SECONDS, EVENT_WARM_UP_PASSES = 12, 5, 6
# The parts that book, and those that are measured after all others.
BOOKING_PARTS, LAST_PARTS = {"hot", "spread", "codes", "limits"}, {"streams"}
# The connections of the parts that compare events with a plain one.
SALE_CONNECTIONS = 64


def measure_table(uri: str, parts: set[str], rounds: int, seconds: int) -> dict[str, Any]:
    """Measure these parts of the table on a database that is dropped at the end.

    Args:
        uri: names the database, which must be empty.
        seconds: the length of each load.

    Returns:
        The report: `rows`, and all figures that they are made of.
    """
    report = describe_machine(rounds, seconds)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="eventapp-bench-")))
        settings = make_settings(uri, secrets.token_urlsafe(48), directory)
        db = stack.enter_context(open_temporary_database(uri))
        config = load_config(settings)
        print_progress("loading 10,000 events, and users")
        users = MAX_BOOKING_RATE * seconds if parts & BOOKING_PARTS else 1
        data = load_data(db, config, users)
        starts = measure_starts(settings, directory, rounds) if "start" in parts else {}
        server = stack.enter_context(Server(settings, directory))
        reference = stack.enter_context(closing(Reference(uri)))
        runner = RoundRunner(server, db, data, reference, seconds)
        figures = measure_rounds(runner, parts, rounds)
        print_progress("checking the inventory")
        check_inventory(config, db)
    report["load_after"] = os.getloadavg()
    report["rows"] = [
        summarize_row(row, [*figures, starts], runner.failures) for row in ROWS if row.part in parts
    ]
    return report | {"rounds_measured": figures, "starts": starts, "details": runner.details}


@contextmanager
def open_temporary_database(uri: str) -> Iterator[Db]:
    """Yield the database of this URI, and drop it at the end."""
    with connect(uri) as client, pymongo.timeout(DATABASE_TIMEOUT_SECONDS):
        db: Db = client.get_default_database()
        try:
            yield db
        finally:
            client.drop_database(db.name)


def describe_machine(rounds: int, seconds: int) -> dict[str, Any]:
    """Return the conditions of the run, for the report."""
    return {
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "rounds": rounds,
        "seconds": seconds,
        "load_before": os.getloadavg(),
    }


def measure_starts(settings: dict[str, str], directory: Path, rounds: int) -> dict[str, float]:
    """Return the median seconds from the start of a server to its first answers."""
    starts: list[tuple[float, float]] = []
    for number in range(rounds):
        print_progress(f"start {number + 1} of {rounds}")
        with Server(settings, directory) as server:
            starts.append((server.health_seconds, server.events_seconds))
    health, events = (median(times) for times in zip(*starts, strict=True))
    return {"start-health": health, "start-events": events}


def print_progress(message: str) -> None:
    """Print a line about the progress of the run, marked so that it differs from the table."""
    print(f"bench: {message}", flush=True)


class RoundRunner:
    """Measure rounds on one server and its database.

    Attributes:
        failures: the reason why a part cannot be measured, by its name. Later rounds leave it out.
        details: every load of every round, for the JSON report.
    """

    def __init__(
        self, server: Server, db: Db, data: BenchmarkData, reference: Reference, seconds: int
    ) -> None:
        self.server, self.db, self.data = server, db, data
        self._reference, self._seconds = reference, seconds
        self._round, self._booked = 0, 0
        self._figures: dict[str, float] = {}
        self._current = ""
        self.failures: dict[str, str] = {}
        self.details: list[dict[str, Any]] = []

    def run(self, parts: Iterable[str], seconds: int | None = None) -> dict[str, float]:
        """Measure one round of these parts.

        Args:
            seconds: the length of each load; None for that of the run.

        Returns:
            Figures and references by their names, in the units of the rows.
        """
        usual_seconds = self._seconds
        self._seconds = seconds or usual_seconds
        self._figures = {}
        if not self._round and "event" in parts:
            self._warm_event_caches()
        for part, measure in MEASUREMENTS.items():
            if part in parts and part not in self.failures:
                try:
                    measure(self)
                except BenchmarkError as error:
                    self.failures[part] = f"{self._current}: {error}"
        self._round += 1
        self._seconds = usual_seconds
        return self._figures

    def _warm_event_caches(self) -> None:
        """Read all events several times, because a request warms the cache of one process only."""
        paths, answered = [f"/api/events/{id_}" for id_ in self.data.event_ids], 0
        for _load in range(EVENT_WARM_UP_LOADS):
            load = load_paths(self.server.url, paths, EVENT_WARM_UP_SECONDS, expected='"eventId":')
            answered += load.answered
            if answered >= EVENT_WARM_UP_PASSES * len(paths):
                return

    def measure_http(self) -> None:
        """Measure `/healthz`, the ceiling of the server's HTTP layer."""
        self._measure_reads("HTTP", ["/healthz"], expected="Hello Tickest")

    def measure_event(self) -> None:
        """Measure reads of one event, and of any of all events."""
        self._measure_http_once()
        ids = list(self.data.event_ids)
        self._measure_reads("event", [f"/api/events/{ids[0]}"], expected='"eventId":')
        random_paths = [f"/api/events/{id_}" for id_ in random.choices(ids, k=100_000)]
        self._measure_reads("event-any", random_paths, expected='"eventId":')

    def measure_list(self) -> None:
        """Measure the list of events without any filter."""
        self._measure_http_once()
        self._measure_reads("list", ["/api/events"], expected='{"events":[{')

    def measure_search(self) -> None:
        """Measure searches for two words. No search is sent twice in the whole run."""
        self._figures["find"] = self._reference.measure_find_rate(
            self.data.event_ids, self._seconds
        )
        for name, common in (("search", False), ("search-common", True)):
            pairs = draw_word_pairs(
                MAX_SEARCH_RATE * self._seconds, seed=self._round, common=common
            )
            random.Random(self._round).shuffle(pairs)
            paths = [f"/api/events?search={quote(pair)}" for pair in pairs]
            self._measure_reads(name, paths, expected='{"events":[', once=True)

    def measure_hot(self) -> None:
        """Measure bookings of one ticket type, of an event that no earlier round sold."""
        event_ids = list(self.data.hot[self._round : self._round + 1])
        self._measure_sale("hot", "update", self.data.reference[:1], event_ids)

    def measure_spread(self) -> None:
        """Measure bookings of 1,000 events; each round gives a user another event."""
        event_ids = list(self.data.spread)
        rotated = event_ids[self._round :] + event_ids[: self._round]
        self._measure_sale("spread", "spread update", self.data.reference, rotated)

    def measure_codes(self) -> None:
        """Measure bookings with a promo code and two quotas."""
        self._measure_plain_event_once()
        event_id = sale_events.store_event_with_code(self.db)
        self._measure_bookings("codes", [event_id], SALE_CONNECTIONS, sale_events.CODE)

    def measure_limits(self) -> None:
        """Measure bookings of an event at all limits."""
        self._measure_plain_event_once()
        event_id = sale_events.store_event_at_limits(self.db)
        try:
            self._measure_bookings("limits", [event_id], SALE_CONNECTIONS)
        finally:
            sale_events.remove_filler(self.db, event_id)

    def _measure_plain_event_once(self) -> None:
        if "plain event" not in self._figures:
            event_id = sale_events.store_plain_event(self.db)
            self._measure_bookings("plain event", [event_id], SALE_CONNECTIONS)

    def measure_memory(self) -> None:
        """Read the resident memory of the largest process of the server."""
        sizes = [read_resident_mb(pid) for pid in self.server.find_pids()]
        self._figures["memory"] = max(sizes)
        self.details.append({"round": self._round, "name": "memory", "each_mb": sizes})

    def measure_streams(self) -> None:
        """Measure reads of one event without and with 1,000 open streams of it."""
        self._current = "streams"
        figures = measure_streams(self.server, self.db, self.data.hot[-1:], self._seconds)
        self._figures |= {"streams": figures.rate_with, "without them": figures.rate_without}
        self.details.append({"round": self._round, "name": "streams", **asdict(figures)})

    def _measure_http_once(self) -> None:
        if "HTTP" not in self._figures:
            self.measure_http()

    def _measure_reads(
        self, name: str, paths: list[str], *, expected: str, once: bool = False
    ) -> None:
        self._current = name
        load = load_paths(self.server.url, paths, self._seconds, expected=expected, once=once)
        self._record(name, load)

    def _measure_sale(
        self, name: str, reference: str, reference_ids: Sequence[int], event_ids: list[int]
    ) -> None:
        try:
            self._figures[reference] = self._reference.measure_sale_rate(
                reference_ids, self._seconds
            )
        finally:
            undo_sales(self.db, reference_ids)
        self._measure_bookings(name, event_ids)

    def _measure_bookings(
        self,
        name: str,
        event_ids: Sequence[int],
        connections: int = CONNECTIONS,
        promo_code: str | None = None,
    ) -> None:
        self._current = name
        requests = make_booking_requests(self.data.tokens, event_ids, promo_code)
        load = load_bookings(self.server.url, requests, self._seconds, connections)
        self._booked += load.answered
        check_booking_count(self.db, self._booked)
        self._record(name, load)

    def _record(self, name: str, load: Load) -> None:
        self._figures[name] = load.rate
        self.details.append({"round": self._round, "name": name, **vars(load)})


MEASUREMENTS = {
    "event": RoundRunner.measure_event,
    "list": RoundRunner.measure_list,
    "search": RoundRunner.measure_search,
    "hot": RoundRunner.measure_hot,
    "spread": RoundRunner.measure_spread,
    "codes": RoundRunner.measure_codes,
    "limits": RoundRunner.measure_limits,
    "memory": RoundRunner.measure_memory,
    "streams": RoundRunner.measure_streams,
}


def measure_rounds(runner: RoundRunner, parts: set[str], rounds: int) -> RoundFigures:
    """Measure this many rounds, and check the answers of reads before and after.

    Streams are measured last. Their threads end some seconds after the streams, and would count as
    memory of the other parts until then.
    """
    check_reads(runner.server, runner.db, runner.data)
    figures = []
    for group in (parts - LAST_PARTS, parts & LAST_PARTS):
        figures += _measure_group(runner, group, rounds) if group else []
    check_reads(runner.server, runner.db, runner.data)
    return figures


def _measure_group(runner: RoundRunner, parts: set[str], rounds: int) -> RoundFigures:
    print_progress("warming up")
    runner.run(parts, WARM_UP_SECONDS)
    figures = []
    for number in range(rounds):
        print_progress(f"round {number + 1} of {rounds}, load {os.getloadavg()[0]:.1f}")
        figures.append(runner.run(parts))
    return figures
