"""Measure the table of docs/performance.md; each figure is compared with a reference of this run.

It needs wrk, and in MONGO_URI a MongoDB server on this machine, where it uses a database of its own
and drops it at the end. Other load on the machine distorts the figures: run `uptime` first.

All rows take about 20 minutes. `mixed` sends mixed load and prints the memory of each process
every minute. `quality` asks judged queries and measures no time. Without MONGO_URI, it runs on an
embedded store.
"""

import argparse
import json
import os
import signal
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from pymongo.errors import PyMongoError

from eventapp.config import ROOT
from eventapp.core.database import is_unavailable
from scripts.bench.benchmark import measure_mixed, measure_table
from scripts.bench.growth import SIZES, measure_growth
from scripts.bench.growth_report import render_markdown, write_pages
from scripts.bench.judging import REACHED
from scripts.bench.quality.judgments import read_queries
from scripts.bench.quality.measure import measure_quality
from scripts.bench.quality.report import format_misses, format_quality, make_report
from scripts.bench.server import make_scratch_uri, print_progress
from scripts.bench.table import PART_OF_ROW, PARTS, format_noise, format_table
from scripts.bench.wrk import BenchmarkError, require_wrk
from scripts.configured_database import exit_with_error

MAX_SIZE = 1_000_000
# What the command measures besides the rows of its table.
OTHER_PARTS = {"growth", "mixed", "quality"}
MAX_MINUTES, MIXED_MINUTES, MEMORY_MINUTES = 600.0, 60.0, 1.0


def main(arguments: list[str] | None = None) -> int:
    """Measure what the command line asks for.

    Returns 0, or 1 if a target is missed or a row cannot be judged. If nothing can be measured,
    the process ends with one line on standard error and the code 2.
    """
    options = parse_options(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _exit_on_signal)
    try:
        report = run(os.environ.get("MONGO_URI", ""), options)
    except BenchmarkError as error:
        exit_with_error("bench", error, 2)
    except PyMongoError as error:
        if not is_unavailable(error):
            raise
        exit_with_error("bench", "the database does not answer", 2)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1, default=str) + "\n")
    return 0 if all(row["verdict"] == REACHED for row in report.get("rows", ())) else 1


def run(server_uri: str, options: argparse.Namespace) -> dict[str, Any]:
    """Measure what the options ask for, print each table when it is complete, return the report."""
    report: dict[str, Any] = {}
    parts = {PART_OF_ROW.get(name, name) for name in options.parts} - OTHER_PARTS
    others = OTHER_PARTS & set(options.parts)
    measures_growth = options.sizes or "growth" in options.parts
    if parts or not (others or measures_growth):
        report = _measure_rows(make_scratch_uri(server_uri), parts or set(PARTS), options)
    if "mixed" in others:
        minutes = options.minutes or MIXED_MINUTES
        report["mixed_mb"] = measure_mixed(make_scratch_uri(server_uri), minutes)
    if measures_growth:
        growth = measure_growth(
            make_scratch_uri(server_uri), options.sizes or SIZES, print_progress
        )
        write_pages(growth, ROOT / "docs")
        print(render_markdown(growth))
        report["growth"] = growth
    if "quality" in others:
        uri_or_embedded = make_scratch_uri(server_uri) if server_uri else None
        print_progress("asking the judged queries")
        scores = measure_quality(uri_or_embedded, read_queries())
        report["quality"] = make_report(scores)
        print(format_quality(report["quality"]["rows"]))
        print(format_misses(scores))
    return report


def _measure_rows(uri: str, parts: set[str], options: argparse.Namespace) -> dict[str, Any]:
    require_wrk()
    minutes = options.minutes or MEMORY_MINUTES
    report = measure_table(uri, parts, options.rounds, options.seconds, minutes)
    print(format_table(report["rows"]))
    print(format_noise(report["rounds_measured"]))
    print(f"measured in {report['minutes']:.0f} minutes")
    return report


def _exit_on_signal(_number: int, _frame: FrameType | None) -> NoReturn:
    """End by an exception, so that the server is stopped and the database dropped."""
    raise SystemExit(3)


def parse_options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m scripts.bench", description=__doc__)
    parser.add_argument(
        "parts", nargs="*", metavar="ROW", help=", ".join([*PARTS, *sorted(OTHER_PARTS)])
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to this file")
    parser.add_argument("--rounds", type=_parse_count, default=3, metavar="N")
    parser.add_argument(
        "--seconds", type=_parse_count, default=4, help="length of each load (default 4)"
    )
    parser.add_argument(
        "--minutes",
        type=_parse_minutes,
        metavar="N",
        help=f"length of the mixed load (default {MIXED_MINUTES:g}; "
        f"{MEMORY_MINUTES:g} for the row memory)",
    )
    parser.add_argument(
        "--sizes", type=_parse_sizes, metavar="N,N", help="measure growth at these sizes"
    )
    options = parser.parse_args(arguments)
    unknown = set(options.parts) - {*PARTS, *PART_OF_ROW, *OTHER_PARTS}
    if unknown:
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    return options


def _parse_count(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) <= 30:
        raise argparse.ArgumentTypeError("must be a number from 1 to 30")
    return int(text)


def _parse_minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = 0.0
    if not 0 < minutes <= MAX_MINUTES:
        raise argparse.ArgumentTypeError(f"must be a number up to {MAX_MINUTES:g}")
    return minutes


def _parse_sizes(text: str) -> list[int]:
    sizes = [int(part) for part in text.split(",") if part.isdigit()]
    if not sizes or sizes != sorted(set(sizes)) or sizes[-1] > MAX_SIZE:
        raise argparse.ArgumentTypeError(
            f"must be growing numbers up to {MAX_SIZE}, as 10000,100000"
        )
    return sizes
