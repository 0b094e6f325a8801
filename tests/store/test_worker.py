"""scripts/worker.py reports jobs that no worker runs, and stops on SIGTERM and SIGINT."""

import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from eventapp import start_jobs_if_embedded
from eventapp.config import ROOT, SETTINGS
from eventapp.core.database import OPEN_DATABASE
from eventapp.core.http.app_context import CONFIG
from eventapp.jobs import service as jobs
from scripts import worker
from tests.bookings_factories import context_of, later
from tests.conftest import MONGO_URI, make_settings
from tests.live import eventually

START_SECONDS = 20


@pytest.fixture
def check(app, monkeypatch):
    """Return a function that runs `scripts/worker.py --check` and returns its exit code.

    It runs on the database of the test, after an optional span of time.
    """

    @contextmanager
    def open_database(_command, *, is_dry_run):
        yield CONFIG.get(app), OPEN_DATABASE.get(app)

    monkeypatch.setattr(worker, "open_configured_database", open_database)

    def run(**span):
        monkeypatch.setattr(worker, "utc_now", lambda: later(**span))
        return worker.main(["--check"])

    return run


def test_check_prints_the_overdue_jobs(app, db, check, capsys):
    assert check() == 1
    printed = capsys.readouterr().err
    assert all(name in printed for name in jobs.JOBS)
    for name in jobs.JOBS:
        jobs.run_job(name, context_of(app))
    assert check(seconds=30) == 0
    assert check(minutes=5) == 1
    printed = capsys.readouterr().err
    assert "expire-holds" in printed
    assert "complete-past" not in printed
    assert printed.count("\n") == 1


def test_what_failed_is_tried_again_at_once_on_request(app, db, check, capsys, monkeypatch):
    later_on = later(hours=1)
    db.failedWork.insert_one({"_id": "mail:1", "kind": "mail", "nextAttemptAt": later_on})
    check()
    assert worker.main(["--retry-failed", "--dry-run"]) == 0
    assert capsys.readouterr().out == "1 items would be tried again\n"
    assert db.failedWork.find_one({})["nextAttemptAt"] == later_on
    assert worker.main(["--retry-failed"]) == 0
    assert "1 items" in capsys.readouterr().out
    assert db.failedWork.find_one({})["nextAttemptAt"] < later_on


def handles(process, number):
    """Return whether the process has installed a handler for this signal."""
    assert process.poll() is None, process.stderr.read()
    status = Path(f"/proc/{process.pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt"))
    return int(caught.split()[1], 16) >> (number - 1) & 1


def test_without_a_server_it_is_refused_in_one_line(tmp_path):
    """Else it would keep the embedded store from the server, which runs the jobs itself."""
    environ = {**os.environ, **dict.fromkeys(SETTINGS, ""), "INSTANCE_DIR": str(tmp_path / "x")}
    command = [sys.executable, "scripts/worker.py"]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, f"worker: {worker.EMBEDDED_REFUSAL}\n")


@pytest.mark.skipif(not MONGO_URI, reason="needs MONGO_URI: the embedded store has no worker")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_on_a_signal_without_output(app, db, tmp_path, number):
    blank = dict.fromkeys(SETTINGS, "")
    uri = CONFIG.get(app).mongo_uri or ""
    environ = {**os.environ, **blank, **make_settings(tmp_path, MONGO_URI=uri)}
    command = [sys.executable, "scripts/worker.py"]
    with subprocess.Popen(command, cwd=ROOT, env=environ, stderr=subprocess.PIPE) as process:
        try:
            eventually(lambda: handles(process, signal.SIGTERM), START_SECONDS)
            process.send_signal(number)
            printed = process.communicate(timeout=START_SECONDS)[1]
            assert (process.returncode, printed) == (0, b"")
        finally:
            process.kill()


def test_the_jobs_of_a_server_end_before_it_closes_an_embedded_store(app):
    def find_threads():
        return [each.name for each in threading.enumerate() if each.name.startswith("APScheduler")]

    stop = start_jobs_if_embedded(app)
    assert len(find_threads()) == (0 if MONGO_URI else 1)
    stop()
    assert find_threads() == []
