"""The database is not there, or goes away: 503 within 3 s, and recovery by itself."""

import threading
import time
from urllib.parse import urlsplit, urlunsplit

import pytest
import requests

from eventapp.config import load_config
from eventapp.core.database import OpenDatabase, connect
from tests.conftest import MONGO_URI, drop_database, fresh_uri
from tests.live import Line, Server, eventually

ANSWER_SECONDS = 3
# A list may be answered from memory for so long; then the database must have been asked.
FRESH_SECONDS = 1.2
needs_server = pytest.mark.skipif(not MONGO_URI, reason="MONGO_URI names no server to lose")


def refused(server, path="/api/events"):
    """Ask; it must be the 503 of the API, in time."""
    began = time.monotonic()
    answer = server.get(path)
    seconds = time.monotonic() - began
    body = answer.json()
    assert (answer.status_code, body["code"]) == (503, "database_unavailable"), body
    assert seconds < ANSWER_SECONDS, f"after {seconds:.1f} s"
    assert "127.0.0.1" not in answer.text
    assert "pymongo" not in answer.text.lower()
    return answer


def test_down_at_start(tmp_path):
    with Server(tmp_path, MONGO_URI="mongodb://127.0.0.1:9/x") as server:
        server.wait()
        assert refused(server).headers["Retry-After"] == "1"
        refused(server, "/readyz")
        login = {"email": "a@example.org", "password": "long enough"}
        assert server.post("/api/auth/login", login).status_code == 503
        assert server.answers("/healthz")
        assert server.answers("/images/midnight-bakery.webp")
        assert server.answers("/api/openapi.json")
        assert server.stop() == 0
        assert "Traceback" not in server.said()


@pytest.fixture
def line():
    target = urlsplit(MONGO_URI)
    with Line(target.hostname, target.port or 27017) as line_:
        yield line_


@pytest.fixture
def server(tmp_path, line):
    """A server that reaches its database over the line only; `settings["DIRECT"]` goes past it."""
    direct = fresh_uri(MONGO_URI)
    over_line = urlunsplit(urlsplit(direct)._replace(netloc=f"127.0.0.1:{line.port}"))
    settings = {"MONGO_URI": over_line, "WEB_CONCURRENCY": "2"}
    with Server(tmp_path, **settings) as server_:
        yield server_
    drop_database(load_config({"INSTANCE_DIR": str(tmp_path), "MONGO_URI": direct}))


def works(server):
    return server.answers("/readyz") and server.answers("/api/events")


@needs_server
def test_there_only_after_the_start(server, line):
    line.cut()
    server.wait()
    refused(server)
    line.mend()
    eventually(lambda: works(server))


@needs_server
@pytest.mark.parametrize("trouble", ["cut", "stall"])
def test_gone_and_back(server, line, trouble):
    eventually(lambda: works(server))
    getattr(line, trouble)()
    time.sleep(FRESH_SECONDS)
    refused(server)
    refused(server, "/readyz")
    assert server.answers("/healthz")
    line.mend()
    eventually(lambda: works(server))
    assert server.stop() == 0
    assert "Traceback" not in server.said()


@needs_server
def test_gone_under_load(server, line):
    """Each request gets its answer or the 503, in time; then all is well again."""
    eventually(lambda: works(server))
    seen, stop = [], threading.Event()

    def ask():
        with requests.Session() as http:
            while not stop.is_set():
                began = time.monotonic()
                status = http.get(server.url + "/api/events", timeout=10).status_code
                seen.append((status, time.monotonic() - began))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for step, seconds in ((line.cut, 1), (line.mend, 3.5), (line.stall, 1), (line.mend, 3.5)):
        time.sleep(seconds)
        step()
    eventually(lambda: works(server))
    stop.set()
    for thread in threads:
        thread.join()
    assert {status for status, _ in seen} == {200, 503}
    assert max(seconds for _, seconds in seen) < ANSWER_SECONDS


@needs_server
def test_preparing_may_take_longer_than_a_request(line):
    """As where an index is built on a big collection: broken off, it would begin anew for good."""
    client = connect(f"mongodb://127.0.0.1:{line.port}/?directConnection=true&timeoutMS=300")
    answers_at = threading.Timer(0, line.mend)

    def prepare(db):
        nonlocal answers_at
        answers_at.cancel()
        line.stall()
        answers_at = threading.Timer(1.2, line.mend)
        answers_at.start()
        db.command("ping")

    with client:
        database = OpenDatabase(client, client["eventapp_test"], prepare)
        database.start()
        assert not database.is_ready
        eventually(lambda: database.is_ready)
