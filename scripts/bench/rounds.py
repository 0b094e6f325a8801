"""One round of the benchmark: each figure right after the reference it is held against."""

import random
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any
from urllib.parse import quote

from eventapp.core.database import Db
from scripts.bench.checks import check_bookings
from scripts.bench.data import BenchmarkData, booking_requests, word_pairs
from scripts.bench.reference import Reference, take_back
from scripts.bench.server import Server, resident_mb
from scripts.bench.streams import one_round
from scripts.bench.wrk import BenchmarkError, Load, book, get

# More queries, and users, a second than are ever answered.
MOST_QUERIES, MOST_BOOKINGS = 4000, 4000
MOST_WARMING, WARM_SECONDS, WARM_PASSES = 12, 5, 6


class Bench:
    """What is measured, on one server and its database.

    Attributes:
        failures: why a part can't be measured, by its name; it is left out from then on.
        details: every load of every round, for the JSON.
    """

    def __init__(
        self, server: Server, db: Db, stage: BenchmarkData, reference: Reference, seconds: int
    ) -> None:
        self._server, self._db, self._stage = server, db, stage
        self._reference, self._seconds = reference, seconds
        self._round, self._booked = 0, 0
        self._measured: dict[str, float] = {}
        self._doing = ""
        self.failures: dict[str, str] = {}
        self.details: list[dict[str, Any]] = []

    def round(self, parts: Iterable[str], seconds: int | None = None) -> dict[str, float]:
        """Figures and references by name, in units of the rows.

        Args:
            seconds: for each load; less than usual to warm up.
        """
        usual, self._seconds = self._seconds, seconds or self._seconds
        self._measured = {}
        if not self._round and "event" in parts:
            self._warm_events()
        for part, measure in MEASURES.items():
            if part in parts and part not in self.failures:
                try:
                    measure(self)
                except BenchmarkError as failure:
                    self.failures[part] = f"{self._doing}: {failure}"
        self._round += 1
        self._seconds = usual
        return self._measured

    def healthz(self) -> None:
        """The ceiling of this server's HTTP layer."""
        url, seconds = self._server.url, self._seconds
        self._doing = "HTTP"
        self._note("HTTP", get(url, ["/healthz"], seconds, holds="Hello Tickest"))

    def event(self) -> None:
        """One event, and any of all."""
        self._ceiling()
        ids = list(self._stage.event_ids)
        self._reads("event", [f"/api/events/{ids[0]}"], holds='"eventId":')
        some = [f"/api/events/{id_}" for id_ in random.choices(ids, k=100_000)]
        self._reads("event-any", some, holds='"eventId":')

    def _warm_events(self) -> None:
        """Ask for all events until each process has seen all but a few: half go to each."""
        paths, answered = [f"/api/events/{id_}" for id_ in self._stage.event_ids], 0
        for _load in range(MOST_WARMING):
            answered += get(self._server.url, paths, WARM_SECONDS, holds='"eventId":').answered
            if answered >= WARM_PASSES * len(paths):
                return

    def listed(self) -> None:
        """The default list."""
        self._ceiling()
        self._reads("list", ["/api/events"], holds='{"events":[{')

    def search(self) -> None:
        """Two words, no query twice in the whole run."""
        self._measured["find"] = self._reference.find(self._stage.event_ids, self._seconds)
        for name, common in (("search", False), ("search-common", True)):
            pairs = word_pairs(self._queries(), seed=self._round, common=common)
            random.Random(self._round).shuffle(pairs)
            paths = [f"/api/events?search={quote(pair)}" for pair in pairs]
            self._reads(name, paths, holds='{"events":[', once=True)

    def hot(self) -> None:
        """All for one ticket type, which no round before sold of."""
        event_ids = self._stage.hot[self._round : self._round + 1]
        self._sale("hot", "update", self._stage.reference[:1], list(event_ids))

    def spread(self) -> None:
        """The same over 1,000 events, in every round another one for each user."""
        ids, turn = list(self._stage.spread), self._round
        self._sale("spread", "spread update", self._stage.reference, ids[turn:] + ids[:turn])

    def memory(self) -> None:
        """The largest of the server's processes."""
        sizes = [resident_mb(pid) for pid in self._server.pids()]
        self._measured["memory"] = max(sizes)
        self.details.append({"round": self._round, "name": "memory", "each_mb": sizes})

    def streams(self) -> None:
        """One event without and with 1,000 open streams of it, over all processes."""
        self._doing = "streams"
        found = one_round(self._server, self._db, self._stage.hot[-1:], self._seconds)
        self._measured |= {"streams": found.rate_with, "without them": found.rate_without}
        self.details.append({"round": self._round, "name": "streams", **asdict(found)})

    def _ceiling(self) -> None:
        if "HTTP" not in self._measured:
            self.healthz()

    def _queries(self) -> int:
        return MOST_QUERIES * self._seconds

    def _reads(self, name: str, paths: list[str], *, holds: str, once: bool = False) -> None:
        self._doing = name
        load = get(self._server.url, paths, self._seconds, holds=holds, once=once)
        self._note(name, load)

    def _sale(self, name: str, of: str, reference: Any, event_ids: list[int]) -> None:
        try:
            self._measured[of] = self._reference.update(reference, self._seconds)
        finally:
            take_back(self._db, reference)
        self._doing = name
        load = book(
            self._server.url, booking_requests(self._stage.tokens, event_ids), self._seconds
        )
        self._booked += load.answered
        check_bookings(self._db, self._booked)
        self._note(name, load)

    def _note(self, name: str, load: Load) -> None:
        self._measured[name] = load.rate
        self.details.append({"round": self._round, "name": name, **vars(load)})


MEASURES = {
    "event": Bench.event,
    "list": Bench.listed,
    "search": Bench.search,
    "hot": Bench.hot,
    "spread": Bench.spread,
    "memory": Bench.memory,
    "streams": Bench.streams,
}
