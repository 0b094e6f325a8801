"""Run servers under load: `python wsgi.py` as in production, on a free loopback port."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit, urlunsplit

from pymongo.uri_parser import parse_uri

from eventapp.config import ROOT, SETTINGS
from scripts.bench.wrk import BenchmarkError

PROCESSES = 2
START_SECONDS, STOP_SECONDS, POLL_SECONDS = 120.0, 40.0, 0.01
# Tokens must outlast the run.
TOKEN_LIFETIME = "12h"
BCRYPT_ROUNDS = 4
LOOPBACK_HOSTS = {"127.0.0.1", "localhost", "::1"}
# The log of a server may be large; this much of its end is shown.
LOG_TAIL_BYTES = 2000


def make_settings(mongo_uri: str, secret: str, directory: Path) -> dict[str, str]:
    """Return a value for every setting, so that neither the environment nor `.env` is used."""
    defaults = dict.fromkeys(SETTINGS, "")
    return defaults | {
        "MONGO_URI": mongo_uri,
        "JWT_SECRET": secret,
        "JWT_EXPIRES_IN": TOKEN_LIFETIME,
        "INSTANCE_DIR": str(directory),
        "APP_ENV": "production",
        "PUBLIC_BASE_URL": "http://127.0.0.1",
        "WEB_CONCURRENCY": str(PROCESSES),
        "RATE_LIMIT_ENABLED": "false",
        # All clients of a benchmark have the same address.
        "MAX_IDLE_CONNECTIONS_PER_ADDRESS": "10000",
        "MAX_STREAMS_PER_ADDRESS": "10000",
        # A password costs about 1 ms, so that the rows with a login can be told from their hash.
        "BCRYPT_ROUNDS": str(BCRYPT_ROUNDS),
        "LOG_LEVEL": "warning",
    }


def find_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class ServerProcess:
    """An HTTP server that is run by a command, from its start to its end."""

    def __init__(self, command: Sequence[str], environ: dict[str, str], directory: Path) -> None:
        """Start a process of this Python with a command and, as PORT, a free port."""
        self.port = find_free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = directory / f"log-{self.port}"
        environ = {**os.environ, **environ, "PORT": str(self.port), "TMPDIR": str(directory)}
        self._started = time.monotonic()
        with self._log.open("wb") as log:
            self._process = _start_process(command, environ, log)

    def __exit__(self, *_: object) -> None:
        self.stop()

    def get(self, path: str) -> tuple[int, bytes]:
        """Return status and body. Raise OSError if the server does not answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def find_pids(self) -> list[int]:
        """Return the process ids of the main process and its workers."""
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children")
        workers = children.read_text().split() if children.exists() else []
        return [pid, *map(int, workers)]

    def read_log_tail(self) -> str:
        """Return the end of the server's log."""
        with self._log.open("rb") as log:
            log.seek(max(0, self._log.stat().st_size - LOG_TAIL_BYTES))
            return log.read().decode(errors="replace")

    def stop(self) -> None:
        """Send SIGTERM, and SIGKILL to the processes that have not ended after STOP_SECONDS."""
        if self._process.poll() is not None:
            return
        pids = self.find_pids()
        self._process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
            return
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(STOP_SECONDS)

    def wait_for_answer(self, path: str) -> float:
        """Return the seconds from the start of the process to the first 200 of this path."""
        while (elapsed := time.monotonic() - self._started) < START_SECONDS:
            if self._process.poll() is not None:
                break
            with suppress(OSError, http.client.HTTPException):
                if self.get(path)[0] == 200:
                    return time.monotonic() - self._started
            time.sleep(POLL_SECONDS)
        raise BenchmarkError(
            f"no 200 of {path} in {elapsed:.1f} s; its log: {self.read_log_tail()}"
        )


class Server(ServerProcess):
    """The server of this application.

    Attributes:
        health_seconds: from the start of the process to the first 200 of `/healthz`.
        events_seconds: from the start of the process to the first 200 of `/api/events`.
    """

    def __init__(self, settings: dict[str, str], directory: Path) -> None:
        super().__init__(["wsgi.py"], settings, directory)
        self.health_seconds = self.events_seconds = 0.0

    def __enter__(self) -> "Server":
        try:
            self.health_seconds = self.wait_for_answer("/healthz")
            self.events_seconds = self.wait_for_answer("/api/events")
        except BaseException:
            self.stop()
            raise
        return self


def _start_process(
    command: Sequence[str], environ: dict[str, str], log: IO[bytes]
) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
    )


def read_resident_mb(pid: int) -> float:
    """Return the resident memory of a process, in MB (10^6 bytes)."""
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024 / 1e6


def read_largest_mb(server: ServerProcess) -> float:
    """Return the resident memory of the largest process of a server, in MB."""
    return max(read_resident_mb(pid) for pid in server.find_pids())


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


def print_progress(message: str) -> None:
    """Print a line about the progress of the run, marked so that it differs from the table."""
    print(f"bench: {message}", flush=True)
