"""Run the benchmark: load data, start servers, warm up, measure some rounds, check, take medians.

A round measures every figure once, each right after the reference that it is compared with.
"""

import os
import platform
import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from eventapp.config import load_config
from eventapp.core.database import Db, connect
from scripts.bench.calls import CALL_KINDS
from scripts.bench.checks import check_inventory, check_reads
from scripts.bench.data import KNOWN_USERS, BenchmarkData, load_data
from scripts.bench.flask_reference import FlaskServer
from scripts.bench.mixed_load import measure_mixed_load
from scripts.bench.recording import record_calls
from scripts.bench.reference import Reference
from scripts.bench.rounds import FILTERS, HEALTHZ, LIST, MAX_BOOKING_RATE, RoundRunner
from scripts.bench.server import Server, make_settings, print_progress, read_largest_mb
from scripts.bench.table import ROWS, RoundFigures, summarize_row
from scripts.bench.wrk import BenchmarkError

WARM_UP_SECONDS = 1
# An operation, such as the creation of an index on a busy machine, may take this long.
DATABASE_TIMEOUT_MS = 300_000
# The parts that book, those with a Flask view as their reference, and those that are measured after
# all others.
BOOKING_PARTS, LAST_PARTS = {"hot", "spread", "codes", "limits"}, {"streams"}
FLASK_PARTS = {"event", "list", "filters", "healthz"}
# The time after the start of a server in which it builds its index of events.
SETTLE_SECONDS = 15


def measure_table(
    uri: str, parts: set[str], rounds: int, seconds: int, minutes: float
) -> dict[str, Any]:
    """Measure these parts of the table on a database that is dropped at the end.

    Args:
        uri: names the database, which must be empty.
        seconds: the length of each load.
        minutes: the length of the mixed load, of which only memory is measured.

    Returns:
        The report: `rows`, and all figures that they are made of.
    """
    report = describe_machine(rounds, seconds)
    started = time.monotonic()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="eventapp-bench-")))
        settings = make_settings(uri, secrets.token_urlsafe(48), directory)
        db = stack.enter_context(open_temporary_database(uri))
        config = load_config(settings)
        print_progress("loading 10,000 events, and users")
        users = max(KNOWN_USERS, MAX_BOOKING_RATE * seconds if parts & BOOKING_PARTS else 0)
        data = load_data(db, config, users)
        alone, failures = measure_alone(settings, directory, data, parts, rounds, minutes)
        # The reference connects before commands are recorded, so that no listener slows it down.
        reference = stack.enter_context(closing(Reference(uri)))
        runner = make_runner(stack, settings, directory, db, data, reference, parts, seconds)
        figures = measure_rounds(runner, parts, rounds)
        print_progress("checking the inventory")
        check_inventory(config, db)
    report["load_after"], report["minutes"] = os.getloadavg(), (time.monotonic() - started) / 60
    all_figures, failures = [*figures, *alone], failures | runner.failures
    report["rows"] = [
        summarize_row(row, all_figures, failures) for row in ROWS if row.part in parts
    ]
    return report | {"rounds_measured": all_figures, "details": runner.details}


@contextmanager
def open_temporary_database(uri: str) -> Iterator[Db]:
    """Yield the database of this URI, and drop it at the end."""
    separator = "&" if "?" in uri else "?"
    with connect(f"{uri}{separator}timeoutMS={DATABASE_TIMEOUT_MS}") as client:
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


def measure_alone(
    settings: dict[str, str],
    directory: Path,
    data: BenchmarkData,
    parts: set[str],
    rounds: int,
    minutes: float,
) -> tuple[RoundFigures, dict[str, str]]:
    """Measure the parts for which no other server runs: the starts, and the memory.

    Returns:
        The figures, and the reason why a part cannot be measured, by its name.
    """
    figures: RoundFigures = []
    failures: dict[str, str] = {}
    for number in range(rounds if "start" in parts else 0):
        print_progress(f"start {number + 1} of {rounds}")
        with Server(settings, directory) as server:
            figures.append(
                {"start-health": server.health_seconds, "start-events": server.events_seconds}
            )
    if "memory" in parts:
        try:
            figures.append(measure_memory(settings, directory, data, minutes))
        except BenchmarkError as error:
            failures["memory"] = str(error)
    return figures, failures


def measure_mixed(uri: str, minutes: float) -> list[list[float]]:
    """Return the memory of each process of a server during mixed load, in MB, every minute.

    Args:
        uri: names the database, which must be empty, and which is dropped at the end.
    """
    with (
        tempfile.TemporaryDirectory(prefix="eventapp-bench-") as folder,
        open_temporary_database(uri) as db,
    ):
        settings = make_settings(uri, secrets.token_urlsafe(48), Path(folder))
        print_progress("loading 10,000 events, and users")
        data = load_data(db, load_config(settings), KNOWN_USERS)
        with Server(settings, Path(folder)) as server:
            time.sleep(SETTLE_SECONDS)
            print_progress(f"at the start: {read_largest_mb(server):.0f} MB")
            return measure_mixed_load(server, data, minutes, print_progress)


def measure_memory(
    settings: dict[str, str], directory: Path, data: BenchmarkData, minutes: float
) -> dict[str, float]:
    """Return the memory of the largest process of a server, before and after mixed load, in MB."""
    with Server(settings, directory) as server:
        time.sleep(SETTLE_SECONDS)
        mb_at_start = read_largest_mb(server)
        print_progress(f"{minutes:g} minutes of mixed load")
        samples = measure_mixed_load(server, data, minutes, print_progress)
    return {"memory": mb_at_start, "memory-mixed": max(samples[-1])}


def make_runner(
    stack: ExitStack,
    settings: dict[str, str],
    directory: Path,
    db: Db,
    data: BenchmarkData,
    reference: Reference,
    parts: set[str],
    seconds: int,
) -> RoundRunner:
    """Start what these parts need, until the stack is closed, and return their runner."""
    call_kinds = [kind for part in parts for kind in CALL_KINDS.get(part, ())]
    recorded = None
    if call_kinds:
        print_progress("recording the database calls of requests")
        recorded = record_calls(load_config(settings), data, call_kinds)
    server = stack.enter_context(Server(settings, directory))
    runner = RoundRunner(server, db, data, reference, seconds)
    if recorded:
        runner.call_data, runner.recordings = recorded
    if "healthz" in parts:
        with_log = settings | {"LOG_LEVEL": ""}
        runner.logging_server = stack.enter_context(Server(with_log, directory))
    if parts & FLASK_PARTS:
        answers = read_answers(server, data)
        runner.flask_server = stack.enter_context(FlaskServer(answers, directory))
    time.sleep(SETTLE_SECONDS)
    return runner


def read_answers(server: Server, data: BenchmarkData) -> dict[str, bytes]:
    """Return the body of a real answer for each row that is compared with a Flask view.

    Raises:
        BenchmarkError: the server refused a request.
    """
    event = f"/api/events/{data.event_ids[0]}"
    paths = {"event": event, "list": LIST, "filters": FILTERS, "healthz": HEALTHZ}
    answers = {}
    for name, path in paths.items():
        status, answers[name] = server.get(path)
        if status != 200:
            raise BenchmarkError(f"{path}: {status}")
    return answers


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
