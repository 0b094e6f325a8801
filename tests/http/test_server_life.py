"""`python wsgi.py` from its start to its end: signals, dying workers, restarts, refused starts."""

import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

from eventapp.config import load_config
from tests.conftest import MONGO_URI, drop_database
from tests.live import Server, eventually, free_port

embedded = {"MONGO_URI": ""}
nowhere = {"MONGO_URI": "mongodb://127.0.0.1:9/x"}
PERSON = {"email": "a@example.org", "password": "long enough"}


@pytest.fixture
def serve(tmp_path):
    """Starts servers; none is left at the end, nor its database."""
    servers = []

    def start(**settings):
        servers.append(Server(tmp_path, **settings))
        return servers[-1]

    yield start
    for server in servers:
        server.__exit__()
        if MONGO_URI and server.settings["MONGO_URI"] not in ("", *nowhere.values()):
            drop_database(load_config(server.settings))


def runs(pid):
    return Path(f"/proc/{pid}").exists()


def test_requests_under_way_finish_when_it_stops(serve):
    server = serve(BCRYPT_ROUNDS="13").wait()
    pid, got = server.process.pid, []

    def register(number):
        body = {**PERSON, "name": f"A{number}", "email": f"a{number}@example.org"}
        got.append(server.post("/api/auth/register", body, timeout=30).status_code)

    threads = [threading.Thread(target=register, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    assert got == []
    assert server.stop() == 0
    for thread in threads:
        thread.join()
    assert got == [201] * 3
    assert not runs(pid)
    assert "Traceback" not in server.said()


def test_it_stops_at_once_with_idle_connections_open(serve):
    server = serve().wait()
    began = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began < 3


def test_data_survives_a_restart(serve):
    server = serve(**embedded).wait()
    assert server.post("/api/auth/register", {**PERSON, "name": "A"}).status_code == 201
    assert server.stop() == 0
    server = serve(**embedded).wait()
    assert server.post("/api/auth/login", PERSON).status_code == 200


def test_kill_9_loses_at_most_a_second(serve):
    server = serve(**embedded).wait()
    assert server.post("/api/auth/register", {**PERSON, "name": "A"}).status_code == 201
    time.sleep(1)
    (worker,) = server.workers()
    os.kill(server.process.pid, signal.SIGKILL)
    os.kill(worker, signal.SIGKILL)
    server.process.wait()
    assert serve(**embedded).wait().post("/api/auth/login", PERSON).status_code == 200


def test_workers_end_with_a_main_process_that_was_killed(serve):
    server = serve(**embedded).wait()
    (worker,) = server.workers()
    server.process.kill()
    server.process.wait()
    eventually(lambda: not runs(worker))
    serve(**embedded, PORT=str(server.port)).wait()


def test_a_killed_worker_is_replaced_each_time(serve):
    server = serve(**embedded).wait()
    seen = set()
    for _ in range(5):
        (worker,) = eventually(server.workers)
        seen.add(worker)
        os.kill(worker, signal.SIGKILL)
        eventually(lambda: worker not in server.workers())  # noqa: B023
        eventually(lambda: server.answers("/healthz"))
    assert len(seen) == 5
    assert server.stop() == 0


def test_several_processes_count_together(serve, tmp_path):
    if "MONGO_URI" not in (server := serve()).settings:
        pytest.skip("the embedded store serves one process")
    server.__exit__()
    server = serve(WEB_CONCURRENCY="2").wait()
    assert len(eventually(lambda: len(server.workers()) == 2 and server.workers())) == 2
    for _ in range(20):
        server.http.close()
        server.get("/readyz")
    counted = 'eventapp_requests_total{method="GET",route="/readyz",status="200"} 20.0'
    assert counted in server.get("/metrics").text
    assert server.stop() == 0
    assert not list(tmp_path.glob("eventapp-*"))


def ended(server):
    """Its exit code and its last line."""
    return server.process.wait(20), server.said().splitlines()


def test_a_port_in_use_is_one_line(serve):
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        code, lines = ended(serve(**embedded, PORT=str(port)))
    assert code == 1
    assert lines == [f"eventapp: cannot listen on 127.0.0.1:{port}: Address already in use"]


def test_a_store_in_use_is_one_line_and_starts_no_worker(serve):
    first = serve(**embedded).wait()
    code, lines = ended(serve(**embedded))
    assert code == 1
    assert "eventapp: The embedded store serves one process" in lines[-1]
    assert first.answers("/healthz")


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL"),
        ({"WEB_CONCURRENCY": "2"}, "WEB_CONCURRENCY"),
        ({"CACHE_URL": "redis://127.0.0.1/?nonsense=1"}, "CACHE_URL"),
    ],
)
def test_a_wrong_setting_is_one_line(serve, settings, name):
    code, lines = ended(serve(**embedded, **settings))
    assert (code, len(lines)) == (2, 1)
    assert lines[0].startswith(f"eventapp: {name}: ")


def test_a_worker_that_cannot_start_ends_it_with_a_message(serve, tmp_path):
    (tmp_path / "eventapp.sqlite3").write_bytes(b"no database" * 1000)
    code, lines = ended(serve(**embedded))
    assert code == 1
    assert lines[-1] == "eventapp: the server processes cannot start"


def test_it_says_which_store_it_is_on(serve, tmp_path):
    assert f"on the embedded store in {tmp_path}" in serve(**embedded).wait().said()
    assert "on MongoDB" in serve(**nowhere).wait().said()
