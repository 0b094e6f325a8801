"""`python wsgi.py` as a process: signals, killed workers, restarts, and refused starts."""

import http.client
import json
import os
import signal
import socket
import time
from functools import partial
from pathlib import Path

import pytest

from eventapp.config import load_config
from tests.conftest import MONGO_URI, drop_database, needs_no_server
from tests.live import Server, eventually, find_free_port, has_read_everything

EMBEDDED = {"MONGO_URI": ""}
NO_DATABASE = {"MONGO_URI": "mongodb://127.0.0.1:9/x"}
PERSON = {"email": "a@example.org", "password": "long enough"}


@pytest.fixture
def serve(tmp_path):
    """A function that starts servers; they and their databases are removed at the end."""
    servers = []

    def start(**settings):
        servers.append(Server(tmp_path, **settings))
        return servers[-1]

    yield start
    for server in servers:
        server.__exit__()
        if MONGO_URI and server.settings["MONGO_URI"] not in ("", *NO_DATABASE.values()):
            drop_database(load_config(server.settings))


def is_running(pid):
    return Path(f"/proc/{pid}").exists()


def test_requests_under_way_finish_when_it_stops(serve):
    server = serve(BCRYPT_ROUNDS="13").wait()
    pid, connections = server.process.pid, []
    for number in range(3):
        body = {**PERSON, "name": f"A{number}", "email": f"a{number}@example.org"}
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/api/auth/register", json.dumps(body), headers)
        connections.append(connection)
    for connection in connections:
        eventually(partial(has_read_everything, connection.sock))
    assert server.stop() == 0
    assert [connection.getresponse().status for connection in connections] == [201] * 3
    assert not is_running(pid)
    assert "Traceback" not in server.log_text()


def test_idle_connections_do_not_delay_the_stop(serve):
    server = serve().wait()
    began = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began < 3


@needs_no_server
def test_data_survives_a_restart(serve):
    server = serve(**EMBEDDED).wait()
    assert server.post("/api/auth/register", {**PERSON, "name": "A"}).status_code == 201
    assert server.stop() == 0
    server = serve(**EMBEDDED).wait()
    assert server.post("/api/auth/login", PERSON).status_code == 200


@needs_no_server
def test_after_kill_9_at_most_a_second_of_changes_is_lost(serve):
    server = serve(**EMBEDDED).wait()
    assert server.post("/api/auth/register", {**PERSON, "name": "A"}).status_code == 201
    time.sleep(1)
    (worker,) = server.workers()
    os.kill(server.process.pid, signal.SIGKILL)
    os.kill(worker, signal.SIGKILL)
    server.process.wait()
    assert serve(**EMBEDDED).wait().post("/api/auth/login", PERSON).status_code == 200


@needs_no_server
def test_workers_stop_when_the_main_process_is_killed(serve):
    server = serve(**EMBEDDED).wait()
    (worker,) = server.workers()
    server.process.kill()
    server.process.wait()
    eventually(lambda: not is_running(worker))
    serve(**EMBEDDED, PORT=str(server.port)).wait()


@needs_no_server
def test_a_killed_worker_is_replaced_every_time(serve):
    server = serve(**EMBEDDED).wait()
    pids = set()
    for _ in range(5):
        (worker,) = eventually(server.workers)
        pids.add(worker)
        os.kill(worker, signal.SIGKILL)
        eventually(lambda: worker not in server.workers())  # noqa: B023
        eventually(lambda: server.answers("/healthz"))
    assert len(pids) == 5
    assert server.stop() == 0


def test_the_metrics_of_all_processes_are_summed(serve, tmp_path):
    if "MONGO_URI" not in (server := serve()).settings:
        pytest.skip("the embedded store serves one process")
    server.__exit__()
    server = serve(WEB_CONCURRENCY="2").wait()
    assert len(eventually(lambda: len(server.workers()) == 2 and server.workers())) == 2
    for _ in range(20):
        server.http.close()
        server.get("/api/healthz")
    counted = 'eventapp_requests_total{method="GET",route="/api/healthz",status="200"} 20.0'
    assert counted in server.get("/metrics").text
    assert server.stop() == 0
    assert not list(tmp_path.glob("eventapp-*"))


def wait_for_exit(server):
    """Return the exit code and the lines that the server printed."""
    return server.process.wait(20), server.log_text().splitlines()


@needs_no_server
def test_a_port_in_use_is_reported_in_one_line(serve):
    port = find_free_port()
    with socket.create_server(("127.0.0.1", port)):
        code, lines = wait_for_exit(serve(**EMBEDDED, PORT=str(port)))
    assert code == 1
    assert lines == [f"eventapp: cannot listen on 127.0.0.1:{port}: Address already in use"]


@needs_no_server
def test_a_store_in_use_is_reported_before_any_worker_starts(serve):
    first = serve(**EMBEDDED).wait()
    code, lines = wait_for_exit(serve(**EMBEDDED))
    assert code == 1
    assert "eventapp: The embedded store serves one process" in lines[-1]
    assert first.answers("/healthz")


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL"),
        ({"WEB_CONCURRENCY": "2"}, "WEB_CONCURRENCY"),
        ({"CACHE_URL": "redis://127.0.0.1/?nonsense=1"}, "CACHE_URL"),
        (
            {"RATE_LIMIT_ENABLED": "true", "RATE_LIMIT_STORAGE_URI": "redis://h/?nonsense=1"},
            "RATE_LIMIT_STORAGE_URI",
        ),
    ],
)
@needs_no_server
def test_a_wrong_setting_is_reported_in_one_line(serve, settings, name):
    code, lines = wait_for_exit(serve(**EMBEDDED, **settings))
    assert (code, len(lines)) == (2, 1)
    assert lines[0].startswith(f"eventapp: {name}: ")


@needs_no_server
def test_a_server_whose_workers_cannot_start_ends_with_a_message(serve, tmp_path):
    (tmp_path / "eventapp.sqlite3").write_bytes(b"no database" * 1000)
    code, lines = wait_for_exit(serve(**EMBEDDED))
    assert code == 1
    assert lines[-1] == "eventapp: the server processes cannot start"


def test_the_first_line_names_the_store(serve, tmp_path):
    assert f"on the embedded store in {tmp_path}" in serve(**EMBEDDED).wait().log_text()
    assert "on MongoDB" in serve(**NO_DATABASE).wait("/healthz").log_text()
