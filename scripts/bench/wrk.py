"""Load the server with wrk, a compiled client. The scripts in `lua/` check every answer."""

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

LUA_SCRIPTS = Path(__file__).resolve().parent / "lua"
CONNECTIONS = 16
# Bookings in progress at the end of the load are waited for this long.
LAST_ANSWERS_SECONDS = 5
# wrk must end this long after the load at the latest.
EXIT_SECONDS = 30
# The fields of a result that must be 0, and what each of them counts.
FAULTS = {
    "wrong": "wrong",
    "status": "was the status of the last wrong answer",
    "broken": "never arrived or arrived late",
    "ran_out": "time the file ran out of requests",
}


class BenchmarkError(Exception):
    """The run measures nothing, for a reason that the message gives in one line."""


@dataclass(frozen=True)
class Load:
    """The result of a load. Its fields are keys of the JSON report.

    Attributes:
        answered: the number of answers.
        rate: answers a second.
        p50_ms, p99_ms: median and 99th percentile of the time of an answer, in milliseconds.
    """

    answered: int
    rate: float
    p50_ms: float
    p99_ms: float


def require_wrk() -> str:
    """Return the path of wrk. Raise BenchmarkError if it is not installed."""
    path = shutil.which("wrk")
    if path is None:
        raise BenchmarkError("wrk is not installed; on Debian: apt install wrk")
    return path


@dataclass(frozen=True)
class Request:
    """A request to send.

    Attributes:
        path: with its query string.
        token: the access token of the caller; None for an anonymous one.
        body: JSON without tabs and line breaks; None for no body.
    """

    method: str
    path: str
    token: str | None = None
    body: str | None = None


def load_requests(
    url: str, requests: Iterable[Request], seconds: int, *, expected: str, once: bool = False
) -> Load:
    """Send these requests in turn over 16 connections. All must be answered 200 or 201.

    Args:
        expected: the text that the body of every answer must contain.
        once: True raises BenchmarkError if the requests do not suffice for the time; False begins
            with the first request again.
    """
    lines = (f"{r.method}\t{r.path}\t{r.token or '-'}\t{r.body or '-'}" for r in requests)
    with _write_lines(lines) as file:
        repeat = "once" if once else "again"
        return _run_wrk("send.lua", url, seconds, file.name, repeat, expected)


def load_paths(
    url: str, paths: Iterable[str], seconds: int, *, expected: str, once: bool = False
) -> Load:
    """Send anonymous GET requests for these paths, see `load_requests`."""
    requests = (Request("GET", path) for path in paths)
    return load_requests(url, requests, seconds, expected=expected, once=once)


def load_bookings(
    url: str,
    requests: Iterable[tuple[str, str]],
    seconds: int,
    connections: int = CONNECTIONS,
) -> tuple[Load, list[str]]:
    """Send these bookings over this many connections. All must be answered 201.

    Args:
        requests: an access token and a JSON body for each booking.

    Returns:
        The result, and the ids of the bookings in the order of their answers.
    """
    with (
        _write_lines(f"{token} {body}" for token, body in requests) as file,
        _write_lines(()) as ids,
    ):
        duration = seconds + LAST_ANSWERS_SECONDS
        arguments = (file.name, str(seconds), ids.name)
        load = _run_wrk("book.lua", url, duration, *arguments, connections=connections)
        return load, Path(ids.name).read_text().split()


def _write_lines(lines: Iterable[str]) -> "tempfile._TemporaryFileWrapper[str]":
    file = tempfile.NamedTemporaryFile("w", prefix="eventapp-bench-", suffix=".txt")  # noqa: SIM115
    file.writelines(f"{line}\n" for line in lines)
    file.flush()
    return file


def _run_wrk(
    script: str, url: str, seconds: int, *arguments: str, connections: int = CONNECTIONS
) -> Load:
    command = [require_wrk(), "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"]
    command += ["-s", str(LUA_SCRIPTS / script), url, "--", *arguments]
    timeout = seconds + EXIT_SECONDS
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        raise BenchmarkError(f"wrk with {script} did not end") from None
    return parse_result(script, ended.stdout + ended.stderr)


def parse_result(script: str, output: str) -> Load:
    """Return the result that the script printed.

    Raises:
        BenchmarkError: it printed none, or an answer was wrong. A wrong answer may be a fast one.
    """
    line = re.search(r"^RESULT (\{.*\})$", output, re.MULTILINE)
    if not line:
        raise BenchmarkError(f"wrk with {script} printed: {output.strip()[-300:]}")
    result = json.loads(line[1])
    faults = [f"{result[name]} {meaning}" for name, meaning in FAULTS.items() if result[name]]
    if faults or not result["answered"]:
        raise BenchmarkError(f"of {result['answered']} answers {', '.join(faults) or 'none'}")
    return Load(result["answered"], result["rate"], result["p50_ms"], result["p99_ms"])
