"""Measure the table of docs/performance.md; each figure is compared with a reference of this run.

It needs wrk, and in MONGO_URI a MongoDB server on this machine, where it uses a database of its own
and drops it at the end. Other load on the machine distorts the figures: run `uptime` first.

The row `quality` asks judged queries and measures no time. Without MONGO_URI, it runs on an
embedded store.
"""

import argparse
import json
import os
import signal
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn
from urllib.parse import urlsplit, urlunsplit

from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

from eventapp.config import ROOT
from eventapp.core.database import is_unavailable
from scripts.bench.benchmark import measure_table, print_progress
from scripts.bench.growth import SIZES, measure_growth
from scripts.bench.growth_report import render_markdown, write_pages
from scripts.bench.quality.judgments import read_queries
from scripts.bench.quality.measure import measure_quality
from scripts.bench.quality.report import format_misses, format_quality, make_report
from scripts.bench.table import PARTS, format_table
from scripts.bench.wrk import BenchmarkError, require_wrk
from scripts.configured_database import exit_with_error

LOOPBACK_HOSTS = {"127.0.0.1", "localhost", "::1"}
MAX_SIZE = 1_000_000
# What the command measures besides the rows of its table.
OTHER_PARTS = {"growth", "quality"}


def main(arguments: list[str] | None = None) -> int:
    """Measure what the command line asks for.

    Returns 0, or 1 if a target is missed. If nothing can be measured, the process ends with one
    line on standard error and the code 2.
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
    return 0 if all(row["met"] for row in report.get("rows", ())) else 1


def run(server_uri: str, options: argparse.Namespace) -> dict[str, Any]:
    """Measure what the options ask for, print each table when it is complete, return the report."""
    report: dict[str, Any] = {}
    parts = set(options.parts) - OTHER_PARTS
    measures_growth = options.sizes or "growth" in options.parts
    measures_quality = "quality" in options.parts
    if parts or not (measures_growth or measures_quality):
        uri = make_scratch_uri(server_uri)
        require_wrk()
        report = measure_table(uri, parts or set(PARTS), options.rounds, options.seconds)
        print(format_table(report["rows"]))
    if measures_growth:
        growth = measure_growth(
            make_scratch_uri(server_uri), options.sizes or SIZES, print_progress
        )
        write_pages(growth, ROOT / "docs")
        print(render_markdown(growth))
        report["growth"] = growth
    if measures_quality:
        uri_or_embedded = make_scratch_uri(server_uri) if server_uri else None
        print_progress("asking the judged queries")
        scores = measure_quality(uri_or_embedded, read_queries())
        report["quality"] = make_report(scores)
        print(format_quality(report["quality"]["rows"]))
        print(format_misses(scores))
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
        "--seconds", type=_parse_count, default=5, help="length of each load (default 5)"
    )
    parser.add_argument(
        "--sizes", type=_parse_sizes, metavar="N,N", help="measure growth at these sizes"
    )
    options = parser.parse_args(arguments)
    unknown = set(options.parts) - {*PARTS, *OTHER_PARTS}
    if unknown:
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    return options


def _parse_count(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) <= 30:
        raise argparse.ArgumentTypeError("must be a number from 1 to 30")
    return int(text)


def _parse_sizes(text: str) -> list[int]:
    sizes = [int(part) for part in text.split(",") if part.isdigit()]
    if not sizes or sizes != sorted(set(sizes)) or sizes[-1] > MAX_SIZE:
        raise argparse.ArgumentTypeError(
            f"must be growing numbers up to {MAX_SIZE}, as 10000,100000"
        )
    return sizes


def make_scratch_uri(uri: str) -> str:
    """Return the server's URI with the name of a database that only this process uses.

    Raises:
        BenchmarkError: the URI is empty or names another machine.
    """
    if not uri:
        raise BenchmarkError("set MONGO_URI to a MongoDB server on this machine")
    if {host for host, _port in parse_uri(uri)["nodelist"]} - LOOPBACK_HOSTS:
        raise BenchmarkError("MONGO_URI names another machine; no load is sent there")
    return urlunsplit(urlsplit(uri)._replace(path=f"/eventapp_bench_{os.getpid()}"))
