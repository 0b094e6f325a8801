"""The whole table once: data, server, warm-up, rounds, checks, medians."""

import os
import platform
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import pymongo

from eventapp.config import load_config
from eventapp.core.database import Db, connect
from scripts.bench.checks import check_inventory, check_reads
from scripts.bench.data import BenchmarkData, load_data
from scripts.bench.reference import Reference
from scripts.bench.rounds import MOST_BOOKINGS, Bench
from scripts.bench.rows import ROWS, Rounds, summary
from scripts.bench.server import Server, settings

WARM_SECONDS = 2
PATIENCE_SECONDS = 600
BOOKED, LAST = {"hot", "spread"}, {"streams"}


@contextmanager
def throwaway(uri: str) -> Iterator[Db]:
    """The database of this URI, which must be empty; dropped at the end."""
    with connect(uri) as client, pymongo.timeout(PATIENCE_SECONDS):
        db: Db = client.get_default_database()
        try:
            yield db
        finally:
            client.drop_database(db.name)


def measure_table(uri: str, parts: set[str], rounds: int, seconds: int) -> dict[str, Any]:
    """The report of these parts of the table: its rows, and all that they are made of."""
    report = circumstances(rounds, seconds)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="eventapp-bench-")))
        given = settings(uri, secrets.token_urlsafe(48), directory)
        db = stack.enter_context(throwaway(uri))
        config = load_config(given)
        say("loading 10,000 events, and users")
        stage_ = load_data(db, config, MOST_BOOKINGS * seconds if parts & BOOKED else 1)
        starts = measure_starts(given, directory, rounds) if "start" in parts else {}
        server = stack.enter_context(Server(given, directory))
        reference = stack.enter_context(closing(Reference(uri)))
        bench = Bench(server, db, stage_, reference, seconds)
        measured = all_rounds(bench, server, db, stage_, parts, rounds)
        say("checking the inventory")
        check_inventory(config, db)
    report["load_after"] = os.getloadavg()
    figures, asked = [*measured, starts], [row for row in ROWS if row.part in parts]
    report["rows"] = [summary(row, figures, bench.failures) for row in asked]
    return report | {"rounds_measured": measured, "starts": starts, "details": bench.details}


def all_rounds(
    bench: Bench, server: Server, db: Db, stage_: BenchmarkData, parts: set[str], rounds: int
) -> Rounds:
    """Measure; the reads are checked before and after.

    Streams come last: their threads stay for a while, and would count as memory of the rest.
    """
    check_reads(server, db, stage_)
    measured = []
    for some in (parts - LAST, parts & LAST):
        measured += _rounds(bench, some, rounds) if some else []
    check_reads(server, db, stage_)
    return measured


def _rounds(bench: Bench, parts: set[str], rounds: int) -> Rounds:
    """Warm up, then measure."""
    say("warming up")
    bench.round(parts, WARM_SECONDS)
    measured = []
    for number in range(rounds):
        say(f"round {number + 1} of {rounds}, load {os.getloadavg()[0]:.1f}")
        measured.append(bench.round(parts))
    return measured


def measure_starts(given: dict[str, str], directory: Path, rounds: int) -> dict[str, float]:
    """Medians of so many starts, in seconds."""
    seen: list[tuple[float, float]] = []
    for number in range(rounds):
        say(f"start {number + 1} of {rounds}")
        with Server(given, directory) as server:
            seen.append((server.health_seconds, server.events_seconds))
    health, events = (median(times) for times in zip(*seen, strict=True))
    return {"start-health": health, "start-events": events}


def circumstances(rounds: int, seconds: int) -> dict[str, Any]:
    """What the figures were taken with."""
    return {
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "rounds": rounds,
        "seconds": seconds,
        "load_before": os.getloadavg(),
    }


def say(words: str) -> None:
    """Tell who waits, apart from the table."""
    print(f"bench: {words}", flush=True)
