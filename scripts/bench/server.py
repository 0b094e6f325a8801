"""The server under load: `python wsgi.py` as production starts it, on a free loopback port."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

from eventapp.config import ROOT, SETTINGS
from scripts.bench.wrk import BenchmarkError

PROCESSES = 2
START_SECONDS, STOP_SECONDS, POLL_SECONDS = 30.0, 40.0, 0.01
# Long enough for tokens to outlast the run.
LIFETIME = "12h"


def settings(mongo_uri: str, secret: str, directory: Path) -> dict[str, str]:
    """Every setting, blank unless named, so that neither an environment nor a .env file counts."""
    blank = dict.fromkeys(SETTINGS, "")
    return blank | {
        "MONGO_URI": mongo_uri,
        "JWT_SECRET": secret,
        "JWT_EXPIRES_IN": LIFETIME,
        "INSTANCE_DIR": str(directory),
        "APP_ENV": "production",
        "WEB_CONCURRENCY": str(PROCESSES),
        "RATE_LIMIT_ENABLED": "false",
        "LOG_LEVEL": "warning",
    }


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port: int = held.getsockname()[1]
        return port


class Server:
    """One server from its exec to its end.

    Attributes:
        health_seconds, events_seconds: from exec to the first 200 of `/healthz` and of
            `/api/events`.
    """

    def __init__(self, given: dict[str, str], directory: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = directory / f"log-{self.port}"
        environ = {**os.environ, **given, "PORT": str(self.port), "TMPDIR": str(directory)}
        self._began = time.monotonic()
        with self._log.open("wb") as log:
            self._process = _exec(environ, log)
        self.health_seconds = self.events_seconds = 0.0

    def __enter__(self) -> "Server":
        try:
            self.health_seconds = self._answers("/healthz")
            self.events_seconds = self._answers("/api/events")
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body. OSError where nothing answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def pids(self) -> list[int]:
        """The main process and its workers."""
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children")
        workers = children.read_text().split() if children.exists() else []
        return [pid, *map(int, workers)]

    def said(self) -> str:
        """The end of its log."""
        return self._log.read_text(errors="replace")[-2000:]

    def stop(self) -> None:
        """SIGTERM; and SIGKILL to what of it is still there long after."""
        if self._process.poll() is not None:
            return
        pids = self.pids()
        self._process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
            return
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(STOP_SECONDS)

    def _answers(self, path: str) -> float:
        while (passed := time.monotonic() - self._began) < START_SECONDS:
            if self._process.poll() is not None:
                break
            with suppress(OSError, http.client.HTTPException):
                if self.get(path)[0] == 200:
                    return time.monotonic() - self._began
            time.sleep(POLL_SECONDS)
        raise BenchmarkError(
            f"no answer of {path} in {passed:.1f} s; the server said: {self.said()}"
        )


def _exec(environ: dict[str, str], log: IO[bytes]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "wsgi.py"], cwd=ROOT, env=environ, stdin=subprocess.DEVNULL,
        stdout=log, stderr=log,
    )  # fmt: skip


def resident_mb(pid: int) -> float:
    """The resident memory of a process, in MB (10^6 bytes)."""
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024 / 1e6
