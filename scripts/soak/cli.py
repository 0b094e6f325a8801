"""Mixed traffic on two server processes for a while, with a crash of the database in the middle.

Needs MONGO_URI, a server on this machine, where it uses a database of its own and drops it. What
crashes and starts the database is given as commands: `--crash "engine crash" --start "engine
start"`. Ends with 1 where memory grew, an answer was wrong, a booking is gone, or tickets do not
add up. It stops by itself.
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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any

import pymongo
from bson import ObjectId

from eventapp import open_booking_context
from eventapp.bookings import auditing
from eventapp.config import ROOT, load_config
from eventapp.core.clock import utc_now
from eventapp.core.database import Db, connect
from eventapp.jobs import service as jobs
from scripts.bench.cli import make_scratch_uri
from scripts.bench.data import make_bookable, sign_in_users
from scripts.bench.server import Server, make_settings, resident_mb
from scripts.bulk_load import insert_events, new_event
from scripts.soak.plot import drawing
from scripts.soak.traffic import Listeners, Log, User
from scripts.synthetic_events import generate_bodies

USERS, ACCOUNTS, EVENTS, TICKETS = 12, 2_000, 300, 200
MOST_MINUTES, SAMPLE_SECONDS = 60.0, 5.0
# How long the database stays away, and how long after its start a 503 may still be.
AWAY_SECONDS, RECOVERY_SECONDS = 5.0, 15.0
# What memory may have grown by, from the settled first third to the last.
MOST_GROWTH = 1.15
PATIENCE_SECONDS = 120


def main() -> int:
    """Run it and say what was seen; 0 when all was well."""
    asked = _asked()
    uri = make_scratch_uri(os.environ.get("MONGO_URI", ""))
    with (
        connect(uri) as client,
        tempfile.TemporaryDirectory(prefix="eventapp-soak-") as folder,
    ):
        given = make_settings(uri, token_hex(32), Path(folder)) | {"HOLD_MINUTES": "1"}
        db = client.get_default_database()
        try:
            report = soaked(db, given, Path(folder), asked)
        finally:
            with pymongo.timeout(PATIENCE_SECONDS):
                client.drop_database(db)
    if asked.plot:
        asked.plot.write_text(drawing(report["samples"], report["away"]))
    if asked.json:
        asked.json.write_text(json.dumps(report, indent=1) + "\n")
    for name, found in report["said"].items():
        print(f"{name}: {found}")
    for fault in report["faults"]:
        print(f"FAULT {fault}")
    return 1 if report["faults"] else 0


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--crash", metavar="COMMAND", help="kills the database, half-way through")
    parser.add_argument("--start", metavar="COMMAND", help="starts it again")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="where to draw it, as SVG")
    asked = parser.parse_args()
    if not 0 < asked.minutes <= MOST_MINUTES or bool(asked.crash) != bool(asked.start):
        parser.error(f"up to {MOST_MINUTES:.0f} minutes; --crash and --start go together")
    return asked


def soaked(
    db: Db, given: dict[str, str], folder: Path, asked: argparse.Namespace
) -> dict[str, Any]:
    """The report: `samples, away` (seconds from the start), `said` and `faults`."""
    config = load_config({name: value for name, value in given.items() if value})
    with pymongo.timeout(PATIENCE_SECONDS):
        event_ids = fill(db)
        tokens = sign_in_users(db, config, ACCOUNTS)
    log, samples, away = Log(), [], (0.0, 0.0)
    with Server(given, folder) as server, worker(given), traffic(server, tokens, event_ids, log):
        began, crash_at = time.monotonic(), asked.minutes * 30 if asked.crash else None
        while (passed := time.monotonic() - began) < asked.minutes * 60:
            if crash_at is not None and passed >= crash_at:
                crash_at = None
                crash(asked.crash, asked.start, log)
                away = (passed, time.monotonic() - began)
            time.sleep(SAMPLE_SECONDS)
            log.database_away &= time.monotonic() - began < away[1] + RECOVERY_SECONDS
            samples.append(sample(server, log, time.monotonic() - began))
    return {
        "samples": samples,
        "away": away,
        "said": words(samples, log),
        "faults": [*faults_seen(samples, log), *faults_left(db, config, log)],
    }


def fill(db: Db) -> list[int]:
    """Some events that sell out while it runs."""
    today = utc_now().date()
    bodies = generate_bodies(EVENTS, seed=7, today=today)
    return insert_events(db, [new_event(make_bookable(body, today, TICKETS)) for body in bodies])


@contextmanager
def worker(given: dict[str, str]) -> Iterator[None]:
    """The worker of the jobs, ended by its pid."""
    process = subprocess.Popen(
        [sys.executable, "scripts/worker.py"], cwd=ROOT, env={**os.environ, **given},
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


@contextmanager
def traffic(
    server: Server, tokens: Sequence[str], event_ids: Sequence[int], log: Log
) -> Iterator[None]:
    people: list[User | Listeners] = [Listeners(server.port, event_ids, log)]
    people += [User(number, server.port, tokens, event_ids, log) for number in range(USERS)]
    for each in people:
        each.start()
    try:
        yield
    finally:
        for each in people:
            each.stop()
        for each in people:
            each.join(PATIENCE_SECONDS)


def crash(crash_command: str, start_command: str, log: Log) -> None:
    """Take the database away for a while; answers of 503 are right meanwhile."""
    log.database_away = True
    run(crash_command)
    time.sleep(AWAY_SECONDS)
    run(start_command)


def run(command: str) -> None:
    """One command to its end. Its output is let go: what it starts would keep a pipe open."""
    subprocess.run(
        shlex.split(command), check=True, timeout=PATIENCE_SECONDS,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def sample(server: Server, log: Log, seconds: float) -> dict[str, Any]:
    """Megabytes of each process, and milliseconds of the answers since the last sample."""
    took, log.took = sorted(log.took), []
    ms = [1000 * took[int(share * (len(took) - 1))] for share in (0.5, 0.95, 0.99)] if took else []
    return {
        "seconds": round(seconds, 1),
        "mb": [round(resident_mb(pid), 1) for pid in server.pids()],
        "answers": len(took),
        "ms": [round(value, 1) for value in ms],
    }


def thirds(samples: list[dict[str, Any]]) -> tuple[float, float]:
    """Median megabytes of the largest process in the second third of the first half, and last."""
    most = [max(found["mb"]) for found in samples]
    third = max(1, len(most) // 3)
    return statistics.median(most[third // 2 : third + third // 2]), statistics.median(
        most[-third:]
    )


def words(samples: list[dict[str, Any]], log: Log) -> dict[str, Any]:
    early, late = thirds(samples)
    answered = [found for found in samples if found["ms"]]
    return {
        "answers": sum(log.statuses.values()),
        "by status": dict(sorted(log.statuses.items())),
        "bookings told": len(log.booked),
        "events heard on streams": log.heard,
        "memory of the largest process": f"{early:.0f} MB settled, {late:.0f} MB at the end",
        "median ms, and of the slowest in 20": (
            f"{statistics.median(found['ms'][0] for found in answered):.1f}, "
            f"{statistics.median(found['ms'][1] for found in answered):.1f}"
        ),
    }


def faults_seen(samples: list[dict[str, Any]], log: Log) -> list[str]:
    faults = [f"{count} x {what}" for what, count in log.faults.most_common()]
    early, late = thirds(samples)
    if late > early * MOST_GROWTH:
        faults.append(f"memory grew from {early:.0f} to {late:.0f} MB")
    if not log.heard:
        faults.append("the streams said nothing")
    return faults


def faults_left(db: Db, config: Any, log: Log) -> list[str]:
    """What is wrong in the database once the jobs have settled it."""
    with pymongo.timeout(PATIENCE_SECONDS):
        context = open_booking_context(config, db)
        jobs.run_job("settle", context)
        faults = [
            f"{fault.event_id}: {fault.message}" for fault in auditing.check(context, utc_now())
        ]
        told = {ObjectId(id_) for id_ in log.booked}
        there = db.bookings.count_documents({"_id": {"$in": list(told)}})
    if there != len(told):
        faults.append(f"{len(told) - there} bookings were told and are not there")
    return faults
