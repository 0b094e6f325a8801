"""Measure the table of quality.md, each figure beside its reference in the same run.

Needs MONGO_URI, a server on this machine, where it uses a database of its own and drops it at the
end; and wrk. Load on the machine from elsewhere spoils the figures: look at `uptime` first.
"""

import argparse
import json
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn
from urllib.parse import urlsplit, urlunsplit

from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

from eventapp.config import ROOT
from eventapp.core.database import is_unavailable
from scripts.bench.growth import SIZES, measure_growth
from scripts.bench.growth_report import markdown, write_pages
from scripts.bench.measuring import measure_table, say
from scripts.bench.rows import PARTS, table
from scripts.bench.wrk import BenchmarkError, require_wrk

LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def main(arguments: list[str] | None = None) -> int:
    """Measure what was asked for; 0, 1 where a target is missed, 2 where nothing was measured."""
    asked = _asked(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    try:
        uri = own_database(os.environ.get("MONGO_URI", ""))
        require_wrk()
        report = measured(uri, asked)
    except BenchmarkError as error:
        fail(error)
    except PyMongoError as error:
        if not is_unavailable(error):
            raise
        fail("the database does not answer")
    if asked.json:
        asked.json.write_text(json.dumps(report, indent=1, default=str) + "\n")
    return 0 if all(row["met"] for row in report.get("rows", ())) else 1


def measured(uri: str, asked: argparse.Namespace) -> dict[str, Any]:
    """The report of all that was asked for; the tables are printed on the way."""
    parts, report = set(asked.parts) - {"growth"}, {}
    growing = asked.sizes or "growth" in asked.parts
    if parts or not growing:
        report = measure_table(uri, parts or set(PARTS), asked.rounds, asked.seconds)
        print(table(report["rows"]))
    if growing:
        grown = measure_growth(uri, asked.sizes or SIZES, say)
        write_pages(grown, ROOT / "docs")
        print(markdown(grown))
        report["growth"] = grown
    return report


def _end(_number: int, _frame: FrameType | None) -> NoReturn:
    """End as an error does, so that the server and the database are taken away."""
    raise SystemExit(3)


def fail(reason: object) -> NoReturn:
    """One line on standard error, and the end."""
    print(f"bench: {reason}", file=sys.stderr)
    raise SystemExit(2)


def _asked(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m scripts.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="ROW", help=f"{', '.join(PARTS)}, growth")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write all figures")
    parser.add_argument("--rounds", type=_count, default=3, metavar="N")
    parser.add_argument("--seconds", type=_count, default=5, help="of each load (default 5)")
    parser.add_argument("--sizes", type=_sizes, metavar="N,N", help="of growth, which it asks for")
    asked = parser.parse_args(arguments)
    unknown = set(asked.parts) - {*PARTS, "growth"}
    if unknown:
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    return asked


def _count(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) <= 30:
        raise argparse.ArgumentTypeError("must be a number from 1 to 30")
    return int(text)


def _sizes(text: str) -> list[int]:
    sizes = [int(part) for part in text.split(",") if part.isdigit()]
    if not sizes or sizes != sorted(set(sizes)) or sizes[-1] > 1_000_000:
        raise argparse.ArgumentTypeError("must be growing numbers up to 1000000, as 10000,100000")
    return sizes


def own_database(uri: str) -> str:
    """The server's URI with a database of this run. Raise BenchmarkError for others."""
    if not uri:
        raise BenchmarkError("set MONGO_URI to a MongoDB server on this machine")
    if {host for host, _port in parse_uri(uri)["nodelist"]} - LOOPBACK:
        raise BenchmarkError("MONGO_URI names another machine; no load is sent there")
    return urlunsplit(urlsplit(uri)._replace(path=f"/eventapp_bench_{os.getpid()}"))
