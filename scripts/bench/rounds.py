"""Measure rounds: every figure right after the reference that it is compared with."""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any
from urllib.parse import quote

from pymongo.errors import PyMongoError

from eventapp.core.database import Db
from scripts.bench import sale_events
from scripts.bench.arrival_order import count_most_overtaken
from scripts.bench.call_costs import RecordedCommand, measure_repeat_rate
from scripts.bench.calls import CALL_KINDS, CallData, CallKind, interleave
from scripts.bench.checks import check_booking_count
from scripts.bench.data import (
    KNOWN_USERS,
    BenchmarkData,
    draw_word_pairs,
    make_booking_requests,
    store_favorites,
)
from scripts.bench.flask_reference import FlaskServer
from scripts.bench.reference import Reference, measure_hash_rate, subtract_hash, undo_sales
from scripts.bench.server import BCRYPT_ROUNDS, Server, print_progress
from scripts.bench.streams import measure_round as measure_streams
from scripts.bench.wrk import (
    CONNECTIONS,
    BenchmarkError,
    Load,
    Request,
    load_bookings,
    load_paths,
    load_requests,
)

# More searches, bookings and accounts a second than are ever answered, so that none is sent twice.
MAX_SEARCH_RATE, MAX_BOOKING_RATE, MAX_ACCOUNT_RATE = 4000, 4000, 2000
# All events are read until each process has very likely rendered each of them.
EVENT_WARM_UP_LOADS, EVENT_WARM_UP_SECONDS, EVENT_WARM_UP_PASSES = 12, 5, 6
# The connections of bookings of one event, and those of the rows that are compared with the second.
HOT_CONNECTIONS, SALE_CONNECTIONS = (16, 64, 256), 64
RANDOM_PATHS, CALL_WARM_UP_SECONDS = 50_000, 1
HEALTHZ, LIST, FILTERS = "/healthz", "/api/events", "/api/events?category=concert&maxPrice=40"
EVENT_SHOWN, LIST_SHOWN = '"eventId":', '{"events":[{'


class RoundRunner:
    """Measure rounds on one server and its database.

    Attributes:
        failures: the reason why a part or a row cannot be measured, by its name. Later rounds leave
            it out.
        details: every load of every round, for the JSON report.
    """

    def __init__(
        self, server: Server, db: Db, data: BenchmarkData, reference: Reference, seconds: int
    ) -> None:
        self.server, self.db, self.data = server, db, data
        self._reference, self._seconds = reference, seconds
        self._round = 0
        self._figures: dict[str, float] = {}
        self._current = ""
        self.logging_server: Server | None = None
        self.flask_server: FlaskServer | None = None
        self.call_data = CallData(data)
        self.recordings: Mapping[str, Sequence[Sequence[RecordedCommand]]] = {}
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
        if not self._round and {"event", "signed-in"} & set(parts):
            self._warm_event_caches()
        for part, measure in MEASUREMENTS.items():
            if part in parts and part not in self.failures:
                try:
                    measure(self)
                except (BenchmarkError, PyMongoError) as error:
                    self._fail(part, f"{self._current}: {describe(error)}")
        self._round += 1
        self._seconds = usual_seconds
        return self._figures

    def _fail(self, name: str, reason: str) -> None:
        """Record that a part or a row cannot be measured, and say so at once."""
        self.failures[name] = reason
        print_progress(f"{name} FAILED: {reason}")

    def _warm_event_caches(self) -> None:
        """Read all events several times, because a request warms the cache of one process only."""
        paths, answered = [f"/api/events/{id_}" for id_ in self.data.event_ids], 0
        for _load in range(EVENT_WARM_UP_LOADS):
            load = load_paths(self.server.url, paths, EVENT_WARM_UP_SECONDS, expected=EVENT_SHOWN)
            answered += load.answered
            if answered >= EVENT_WARM_UP_PASSES * len(paths):
                return

    def measure_event(self) -> None:
        """Measure anonymous reads of any of all events."""
        self._measure_flask("event", EVENT_SHOWN)
        self._measure_reads("event", self._draw_events(), EVENT_SHOWN)

    def measure_list(self) -> None:
        """Measure the default list of events."""
        self._measure_flask("list", LIST_SHOWN)
        self._measure_reads("list", [Request("GET", LIST)], LIST_SHOWN)

    def measure_filters(self) -> None:
        """Measure the list with two filters."""
        self._measure_flask("filters", LIST_SHOWN)
        self._measure_reads("filters", [Request("GET", FILTERS)], LIST_SHOWN)

    def measure_signed_in(self) -> None:
        """Measure the same reads by users with favorites, each time by another one."""
        self._measure_find("users")
        users = self.data.tokens[:KNOWN_USERS]
        lists = [Request("GET", LIST, token) for token in users]
        filtered = [Request("GET", FILTERS, token) for token in users]
        self._measure_reads("event-user", self._draw_events(users), EVENT_SHOWN)
        self._measure_reads("list-user", lists, LIST_SHOWN)
        self._measure_reads("filters-user", filtered, LIST_SHOWN)

    def measure_healthz(self) -> None:
        """Measure `/healthz` of a server of its own, which writes the default log."""
        if self.logging_server is None:
            raise BenchmarkError("its server was not started")
        self._measure_flask("healthz", "Hello Tickest")
        self._current = "healthz"
        url = self.logging_server.url
        self._record("healthz", load_paths(url, [HEALTHZ], self._seconds, expected="Hello Tickest"))

    def measure_calls(self, kinds: Iterable[CallKind]) -> None:
        """Measure calls of these kinds, each after the database calls that it consists of."""
        for kind in kinds:
            if kind.name not in self.failures:
                try:
                    self._measure_call(kind)
                except (BenchmarkError, PyMongoError) as error:
                    self._fail(kind.name, describe(error))

    def measure_search(self) -> None:
        """Measure searches for two words. No search is sent twice in the whole run."""
        self._measure_find("search")
        for name, common in (("search", False), ("search-common", True)):
            pairs = draw_word_pairs(
                MAX_SEARCH_RATE * self._seconds, seed=self._round, common=common
            )
            random.Random(self._round).shuffle(pairs)
            requests = [Request("GET", f"/api/events?search={quote(pair)}") for pair in pairs]
            self._measure_reads(name, requests, '{"events":[', once=True)

    def measure_hot(self) -> None:
        """Measure bookings of one ticket type, each load of a new event."""
        for connections in HOT_CONNECTIONS:
            self._measure_hot_once(connections)

    def measure_codes(self) -> None:
        """Measure bookings with a promo code and two quotas."""
        self._measure_hot_once(SALE_CONNECTIONS)
        event_id = sale_events.store_event_with_code(self.db)
        self._measure_bookings("codes", [event_id], SALE_CONNECTIONS, sale_events.CODE)

    def measure_limits(self) -> None:
        """Measure bookings of an event at all limits."""
        self._measure_hot_once(SALE_CONNECTIONS)
        event_id = sale_events.store_event_at_limits(self.db)
        try:
            self._measure_bookings("limits", [event_id], SALE_CONNECTIONS)
        finally:
            sale_events.remove_filler(self.db, event_id)

    def measure_spread(self) -> None:
        """Measure bookings of 1,000 events; each round gives a user another event."""
        self._measure_sales("spread update", self.data.reference, SALE_CONNECTIONS)
        event_ids = list(self.data.spread)
        rotated = event_ids[self._round :] + event_ids[: self._round]
        self._measure_bookings("spread", rotated, SALE_CONNECTIONS)

    def measure_streams(self) -> None:
        """Measure reads of one event without and with 1,000 open streams of it."""
        self._current = "streams"
        event_ids = self.data.event_ids[-1:]
        figures = measure_streams(self.server, self.db, event_ids, self._seconds)
        self._figures |= {"streams": figures.rate_with, "without them": figures.rate_without}
        self.details.append({"round": self._round, "name": "streams", **asdict(figures)})

    def _draw_events(self, tokens: Sequence[str] = ()) -> Iterator[Request]:
        for number, event_id in enumerate(random.choices(self.data.event_ids, k=RANDOM_PATHS)):
            token = tokens[number % len(tokens)] if tokens else None
            yield Request("GET", f"/api/events/{event_id}", token)

    def _measure_flask(self, name: str, expected: str) -> None:
        """Measure a plain Flask view that answers the bytes of this row."""
        if self.flask_server is None:
            raise BenchmarkError("its reference was not started")
        self._current = f"Flask {name}"
        load = load_paths(self.flask_server.url, [f"/{name}"], self._seconds, expected=expected)
        self._record(self._current, load)

    def _measure_find(self, part: str) -> None:
        rate = self._reference.measure_find_rate(self.data.event_ids, self._seconds)
        self._figures[f"find, {part}"] = rate

    def _measure_reads(
        self, name: str, requests: Iterable[Request], expected: str, *, once: bool = False
    ) -> None:
        self._current = name
        load = load_requests(self.server.url, requests, self._seconds, expected=expected, once=once)
        self._record(name, load)

    def _measure_call(self, kind: CallKind) -> None:
        recordings = self.recordings[kind.name]
        if recordings[0]:  # Otherwise there is nothing to compare with.
            store_favorites(self.db, self.data)
            steps = len(kind.make(self.call_data, 0))
            rate = measure_repeat_rate(self._reference.db, recordings, self._seconds)
            self._figures[f"calls of {kind.name}"] = steps * rate
        count = MAX_ACCOUNT_RATE * self._seconds if kind.once else KNOWN_USERS
        requests = list(interleave(kind, self.call_data, count))
        if not kind.once:  # The rows before have changed most events of the pages of this one.
            load_requests(self.server.url, requests, CALL_WARM_UP_SECONDS, expected=kind.expected)
        store_favorites(self.db, self.data)
        self._measure_reads(kind.name, requests, kind.expected, once=kind.once)
        if kind.hashes:
            hashed = self.db.users.find_one({"_id": self.data.user_ids[0]})["passwordHash"]  # type: ignore[index]
            hash_rate = measure_hash_rate(hashed, BCRYPT_ROUNDS, self._seconds / 2)
            self.details.append({"round": self._round, "name": "hash", "rate": hash_rate})
            self._figures[kind.name] = subtract_hash(self._figures[kind.name], hash_rate)

    def _measure_hot_once(self, connections: int) -> None:
        """Measure the update of a hot event on 16 threads, and bookings of one by these clients."""
        name = f"hot-{connections}"
        if name in self._figures:
            return
        self._measure_sales(f"update, {connections}", self.data.reference[:1], CONNECTIONS)
        event_id = sale_events.store_plain_event(self.db)
        load, ids = self._measure_bookings(name, [event_id], connections)
        self._figures[f"{name}-p99"] = load.p99_ms / load.p50_ms
        self._figures[f"{name}-overtaken"] = count_most_overtaken(ids) / connections

    def _measure_sales(self, name: str, event_ids: Sequence[int], threads: int) -> None:
        try:
            rate = self._reference.measure_sale_rate(event_ids, self._seconds, threads)
        finally:
            undo_sales(self.db, event_ids)
        self._figures[name] = rate

    def _measure_bookings(
        self,
        name: str,
        event_ids: Sequence[int],
        connections: int,
        promo_code: str | None = None,
    ) -> tuple[Load, list[str]]:
        self._current = name
        requests = make_booking_requests(self.data.tokens, event_ids, promo_code)
        before = self.db.bookings.count_documents({})
        load, ids = load_bookings(self.server.url, requests, self._seconds, connections)
        check_booking_count(self.db, before + load.answered)
        self._record(name, load)
        return load, ids

    def _record(self, name: str, load: Load) -> None:
        self._figures[name] = load.rate
        self.details.append({"round": self._round, "name": name, **vars(load)})


def describe(error: Exception) -> str:
    """Return the reason for a failure in one line; of an error of the database, its beginning."""
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]


def _make_call_measurement(kinds: Iterable[CallKind]) -> Callable[[RoundRunner], None]:
    return lambda runner: runner.measure_calls(kinds)


MEASUREMENTS: dict[str, Callable[[RoundRunner], None]] = {
    "event": RoundRunner.measure_event,
    "list": RoundRunner.measure_list,
    "filters": RoundRunner.measure_filters,
    "signed-in": RoundRunner.measure_signed_in,
    "healthz": RoundRunner.measure_healthz,
    **{part: _make_call_measurement(kinds) for part, kinds in CALL_KINDS.items()},
    "search": RoundRunner.measure_search,
    "hot": RoundRunner.measure_hot,
    "codes": RoundRunner.measure_codes,
    "limits": RoundRunner.measure_limits,
    "spread": RoundRunner.measure_spread,
    "streams": RoundRunner.measure_streams,
}
