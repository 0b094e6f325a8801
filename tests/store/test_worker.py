"""scripts/worker.py says when nobody runs the jobs, and ends when it is told to."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from eventapp.config import ROOT, SETTINGS
from eventapp.core.http.app_context import CONFIG
from eventapp.jobs import service as jobs
from scripts import worker
from tests.bookings_factories import context_of, later
from tests.conftest import settings_for
from tests.live import eventually

START_SECONDS = 20


@pytest.fixture
def check(app, monkeypatch):
    """The exit code of `scripts/worker.py --check` on the tests' own store, after so long."""

    @contextmanager
    def opened(_command):
        yield CONFIG.get(app), app.extensions["database"]

    monkeypatch.setattr(worker, "opened", opened)

    def run(**span):
        monkeypatch.setattr(worker, "utc_now", lambda: later(**span))
        return worker.main(["--check"])

    return run


def test_check_names_the_jobs_that_are_not_run(app, db, check, capsys):
    assert check() == 1
    said = capsys.readouterr().err
    assert all(name in said for name in jobs.JOBS)
    for name in jobs.JOBS:
        jobs.run(name, context_of(app))
    assert check(seconds=30) == 0
    assert check(minutes=5) == 1
    said = capsys.readouterr().err
    assert "expire-holds" in said
    assert "complete-past" not in said
    assert said.count("\n") == 1


def handles(process, number):
    """True once the process has a handler of its own for this signal."""
    assert process.poll() is None, process.stderr.read()
    status = Path(f"/proc/{process.pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt"))
    return int(caught.split()[1], 16) >> (number - 1) & 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_told_to_and_says_nothing(app, db, tmp_path, number):
    blank = dict.fromkeys(SETTINGS, "")
    uri = CONFIG.get(app).mongo_uri or ""
    environ = {**os.environ, **blank, **settings_for(tmp_path, MONGO_URI=uri)}
    command = [sys.executable, "scripts/worker.py"]
    with subprocess.Popen(command, cwd=ROOT, env=environ, stderr=subprocess.PIPE) as process:
        try:
            eventually(lambda: handles(process, signal.SIGTERM), START_SECONDS)
            process.send_signal(number)
            said = process.communicate(timeout=START_SECONDS)[1]
            assert (process.returncode, said) == (0, b"")
        finally:
            process.kill()
