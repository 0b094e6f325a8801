"""Run mixed traffic on two server processes, and optionally crash the database half-way through.

It needs in MONGO_URI a MongoDB server on this machine, where it uses a database of its own and
drops it at the end. The commands that crash and start the database server are arguments:
`--crash "engine crash" --start "engine start"`. The exit code is 1 if memory grew, an answer was
wrong, a booking is missing, or the ticket counters do not agree with the bookings.
"""

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any

import pymongo
from bson import ObjectId

from eventapp import build_booking_context
from eventapp.bookings import auditing
from eventapp.config import ROOT, Config, load_config
from eventapp.core.clock import utc_now
from eventapp.core.database import Db, connect
from eventapp.jobs import service as jobs
from scripts.bench.data import log_in_users, make_bookable
from scripts.bench.server import Server, make_scratch_uri, make_settings, read_resident_mb
from scripts.bulk_load import insert_events, make_unowned_event
from scripts.soak.chart import Sample, render_chart
from scripts.soak.traffic import TrafficLog, run_traffic
from scripts.synthetic_events import generate_bodies

# Accounts that the users use in turn, events, and tickets of each event.
ACCOUNTS, EVENTS, TICKETS = 2_000, 300, 200
MAX_MINUTES, SAMPLE_SECONDS = 60.0, 5.0
# How long the database stays down, and how long after its start an answer may still be 503.
DOWN_SECONDS, RECOVERY_SECONDS = 5.0, 15.0
# Memory may grow by this factor from the time when it has settled to the last third of the run.
MAX_GROWTH = 1.15
TIMEOUT_SECONDS = 120


def main() -> int:
    """Run the soak test and print its results; return 0 if it found no fault."""
    options = parse_options()
    uri = make_scratch_uri(os.environ.get("MONGO_URI", ""))
    with (
        connect(uri) as client,
        tempfile.TemporaryDirectory(prefix="eventapp-soak-") as folder,
    ):
        settings = make_settings(uri, token_hex(32), Path(folder)) | {"HOLD_MINUTES": "1"}
        db = client.get_default_database()
        try:
            report = run_soak(db, settings, Path(folder), options)
        finally:
            with pymongo.timeout(TIMEOUT_SECONDS):
                client.drop_database(db)
    if options.plot:
        options.plot.write_text(render_chart(report["samples"], report["down"]))
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    for name, value in report["results"].items():
        print(f"{name}: {value}")
    for fault in report["faults"]:
        print(f"FAULT {fault}")
    return 1 if report["faults"] else 0


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument(
        "--crash", metavar="COMMAND", help="command that kills the database half-way through"
    )
    parser.add_argument("--start", metavar="COMMAND", help="command that starts it again")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write an SVG chart to this file")
    options = parser.parse_args()
    if not 0 < options.minutes <= MAX_MINUTES or bool(options.crash) != bool(options.start):
        parser.error(f"up to {MAX_MINUTES:.0f} minutes; --crash and --start go together")
    return options


def run_soak(
    db: Db, settings: dict[str, str], folder: Path, options: argparse.Namespace
) -> dict[str, Any]:
    """Run server, worker and traffic, and check the database afterwards.

    Returns:
        The report: `samples`; `down`, the seconds from the start at which the database was killed
        and at which it was started again, two zeros if it was not; `results` by their names; and
        `faults`.
    """
    config = load_config({name: value for name, value in settings.items() if value})
    with pymongo.timeout(TIMEOUT_SECONDS):
        event_ids = add_events(db)
        _, tokens = log_in_users(db, config, ACCOUNTS)
    log, samples, down = TrafficLog(), [], (0.0, 0.0)
    with (
        Server(settings, folder) as server,
        run_worker(settings),
        run_traffic(server.port, tokens, event_ids, log),
    ):
        started = time.monotonic()
        crash_at = options.minutes * 60 / 2 if options.crash else None
        while (elapsed := time.monotonic() - started) < options.minutes * 60:
            if crash_at is not None and elapsed >= crash_at:
                crash_at = None
                crash_database(options.crash, options.start, log)
                down = (elapsed, time.monotonic() - started)
            time.sleep(SAMPLE_SECONDS)
            log.database_down &= time.monotonic() - started < down[1] + RECOVERY_SECONDS
            samples.append(take_sample(server, log, time.monotonic() - started))
    return {
        "samples": samples,
        "down": down,
        "results": summarize(samples, log),
        "faults": [*find_traffic_faults(samples, log), *find_database_faults(db, config, log)],
    }


def add_events(db: Db) -> list[int]:
    """Add events with so few tickets that they sell out during the run; return their eventIds."""
    today = utc_now().date()
    bodies = generate_bodies(EVENTS, seed=7, today=today)
    return insert_events(
        db, [make_unowned_event(make_bookable(body, today, TICKETS)) for body in bodies]
    )


@contextmanager
def run_worker(settings: dict[str, str]) -> Iterator[None]:
    """Run `scripts/worker.py` within the `with` block."""
    process = subprocess.Popen(
        [sys.executable, "scripts/worker.py"],
        cwd=ROOT,
        env={**os.environ, **settings},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(TIMEOUT_SECONDS)


def crash_database(crash_command: str, start_command: str, log: TrafficLog) -> None:
    """Kill the database and start it again. Meanwhile an answer of 503 is not a fault."""
    log.database_down = True
    run_command(crash_command)
    time.sleep(DOWN_SECONDS)
    run_command(start_command)


def run_command(command: str) -> None:
    """Run a command to its end.

    Its output is discarded: with a pipe, a database server that it starts would hold the pipe open
    and this function would wait for the server's end.
    """
    subprocess.run(
        shlex.split(command),
        check=True,
        timeout=TIMEOUT_SECONDS,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def take_sample(server: Server, log: TrafficLog, seconds: float) -> Sample:
    """Return the memory of the server's processes and the answer times since the last sample.

    Args:
        seconds: the time from the start of the run.
    """
    durations, log.durations = sorted(log.durations), []
    ms = [
        1000 * durations[int(share * (len(durations) - 1))]
        for share in (0.5, 0.95, 0.99)
        if durations
    ]
    return {
        "seconds": round(seconds, 1),
        "mb": [round(read_resident_mb(pid), 1) for pid in server.find_pids()],
        "answers": len(durations),
        "ms": [round(value, 1) for value in ms],
    }


def compare_memory(samples: list[Sample]) -> tuple[float, float]:
    """Return the median megabytes of the largest process early and late in the run.

    Early is from a sixth to a half of the run, when the memory has settled; late is its last third.
    """
    largest = [max(sample["mb"]) for sample in samples]
    third = max(1, len(largest) // 3)
    early = largest[third // 2 : third + third // 2]
    return statistics.median(early), statistics.median(largest[-third:])


def summarize(samples: list[Sample], log: TrafficLog) -> dict[str, Any]:
    """Return the results of the run, by the names under which they are printed."""
    early_mb, late_mb = compare_memory(samples)
    answered = [sample for sample in samples if sample["ms"]]
    return {
        "answers": sum(log.statuses.values()),
        "by status": dict(sorted(log.statuses.items())),
        "bookings answered 201": len(log.booking_ids),
        "messages received on streams": log.stream_messages,
        "memory of the largest process": f"{early_mb:.0f} MB settled, {late_mb:.0f} MB at the end",
        "median ms, and of the slowest in 20": (
            f"{statistics.median(sample['ms'][0] for sample in answered):.1f}, "
            f"{statistics.median(sample['ms'][1] for sample in answered):.1f}"
        ),
    }


def find_traffic_faults(samples: list[Sample], log: TrafficLog) -> list[str]:
    """Return the faults that clients saw, and memory that grew."""
    faults = [f"{count} x {fault}" for fault, count in log.faults.most_common()]
    early_mb, late_mb = compare_memory(samples)
    if late_mb > early_mb * MAX_GROWTH:
        faults.append(f"memory grew from {early_mb:.0f} to {late_mb:.0f} MB")
    if not log.stream_messages:
        faults.append("no stream sent an event")
    return faults


def find_database_faults(db: Db, config: Config, log: TrafficLog) -> list[str]:
    """Return the faults of the stored data, after the job `settle` has finished stock changes."""
    with pymongo.timeout(TIMEOUT_SECONDS):
        context = build_booking_context(config, db)
        jobs.run_job("settle", context)
        faults = [
            f"{fault.event_id}: {fault.message}" for fault in auditing.check(context, utc_now())
        ]
        confirmed = {ObjectId(id_) for id_ in log.booking_ids}
        stored = db.bookings.count_documents({"_id": {"$in": list(confirmed)}})
    if stored != len(confirmed):
        faults.append(f"{len(confirmed) - stored} bookings were answered 201 and are not stored")
    return faults
