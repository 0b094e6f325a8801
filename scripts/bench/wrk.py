"""Load from wrk, a compiled client, with every answer checked by the scripts in `lua/`."""

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent / "lua"
CONNECTIONS = 16
# After the last booking is sent its answer is waited for; and wrk itself must end at some time.
GRACE_SECONDS, PATIENCE_SECONDS = 2, 30
FAULTS = {
    "wrong": "wrong",
    "status": "was the status of the last wrong one",
    "broken": "never came or came late",
    "ran_out": "more were asked for than there are lines",
}


class BenchmarkError(Exception):
    """The run means nothing; one line says why."""


@dataclass(frozen=True)
class Load:
    """What a load came to: answers, answers a second, and milliseconds of a single one."""

    answered: int
    rate: float
    p50_ms: float
    p99_ms: float


def require_wrk() -> str:
    """Where wrk is. BenchmarkError where it is not."""
    found = shutil.which("wrk")
    if found is None:
        raise BenchmarkError("wrk is not installed; on Debian: apt install wrk")
    return found


def get(url: str, paths: Iterable[str], seconds: int, *, holds: str, once: bool = False) -> Load:
    """Ask for these paths in turn for so many seconds, over 16 connections.

    Args:
        holds: what the body of every answer must hold.
        once: no path may be asked for twice; BenchmarkError where they don't last.
    """
    with _lines(paths) as file:
        return _run("get.lua", url, seconds, file.name, "once" if once else "again", holds)


def book(url: str, orders: Iterable[tuple[str, str]], seconds: int) -> Load:
    """POST these bodies, each with its token, for so many seconds; all are answered 201."""
    with _lines(f"{token} {body}" for token, body in orders) as file:
        duration = seconds + GRACE_SECONDS
        return _run("book.lua", url, duration, file.name, str(seconds))


def _lines(lines: Iterable[str]) -> "tempfile._TemporaryFileWrapper[str]":
    file = tempfile.NamedTemporaryFile("w", prefix="eventapp-bench-", suffix=".txt")  # noqa: SIM115
    file.writelines(f"{line}\n" for line in lines)
    file.flush()
    return file


def _run(script: str, url: str, seconds: int, *arguments: str) -> Load:
    command = [require_wrk(), "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "10s"]
    command += ["-s", str(SCRIPTS / script), url, "--", *arguments]
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds + PATIENCE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise BenchmarkError(f"wrk with {script} did not end") from None
    return read_result(script, ended.stdout + ended.stderr)


def read_result(script: str, said: str) -> Load:
    """Return what the script printed. Raise BenchmarkError if an answer was wrong."""
    found = re.search(r"^RESULT (\{.*\})$", said, re.MULTILINE)
    if not found:
        raise BenchmarkError(f"wrk with {script} said: {said.strip()[-300:]}")
    result = json.loads(found[1])
    faults = [f"{result[name]} {words}" for name, words in FAULTS.items() if result[name]]
    if faults or not result["answered"]:
        raise BenchmarkError(f"of {result['answered']} answers {', '.join(faults) or 'none'}")
    return Load(result["answered"], result["rate"], result["p50_ms"], result["p99_ms"])
