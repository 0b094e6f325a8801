"""An unavailable database: requests get 503 within 3 s, and the server recovers by itself."""

import threading
import time
from urllib.parse import urlsplit, urlunsplit

import pytest
import requests

from eventapp.config import load_config
from eventapp.core.database import OpenDatabase, connect
from tests.conftest import MONGO_URI, drop_database, make_database_uri
from tests.live import Server, TcpProxy, eventually

ANSWER_SECONDS = 3
# A list may be served from memory for this long; then the database must have been read.
MAX_LIST_AGE_SECONDS = 1.2
needs_server = pytest.mark.skipif(not MONGO_URI, reason="MONGO_URI names no server to lose")


def assert_unavailable(server, path="/api/events"):
    """Assert that a request gets the 503 of the API in time, and return the response."""
    began = time.monotonic()
    response = server.get(path)
    seconds = time.monotonic() - began
    body = response.json()
    assert (response.status_code, body["code"]) == (503, "database_unavailable"), body
    assert seconds < ANSWER_SECONDS, f"after {seconds:.1f} s"
    assert "127.0.0.1" not in response.text
    assert "pymongo" not in response.text.lower()
    return response


def test_a_server_starts_while_the_database_is_down(tmp_path):
    with Server(tmp_path, MONGO_URI="mongodb://127.0.0.1:9/x") as server:
        server.wait("/healthz")
        response = assert_unavailable(server)
        assert response.headers["Retry-After"] == "1"
        assert_unavailable(server, "/readyz")
        login = {"email": "a@example.org", "password": "long enough"}
        assert server.post("/api/auth/login", login).status_code == 503
        assert server.answers("/healthz")
        assert server.answers("/images/midnight-bakery.webp")
        assert server.answers("/api/openapi.json")
        assert server.stop() == 0
        assert "Traceback" not in server.log_text()


@pytest.fixture
def proxy():
    target = urlsplit(MONGO_URI)
    with TcpProxy(target.hostname, target.port or 27017) as proxy_:
        yield proxy_


@pytest.fixture
def server(tmp_path, proxy):
    """A server that reaches its database through the proxy only."""
    direct = make_database_uri(MONGO_URI)
    proxied_uri = urlunsplit(urlsplit(direct)._replace(netloc=f"127.0.0.1:{proxy.port}"))
    settings = {"MONGO_URI": proxied_uri, "WEB_CONCURRENCY": "2"}
    with Server(tmp_path, **settings) as server_:
        yield server_
    drop_database(load_config({"INSTANCE_DIR": str(tmp_path), "MONGO_URI": direct}))


def is_working(server):
    return server.answers("/readyz") and server.answers("/api/events")


@needs_server
def test_a_database_that_appears_after_the_start_is_used(server, proxy):
    proxy.cut()
    server.wait("/healthz")
    assert_unavailable(server)
    proxy.restore()
    eventually(lambda: is_working(server))


@needs_server
@pytest.mark.parametrize("outage", ["cut", "stall"])
def test_an_outage_ends_when_the_database_is_back(server, proxy, outage):
    eventually(lambda: is_working(server))
    getattr(proxy, outage)()
    time.sleep(MAX_LIST_AGE_SECONDS)
    assert_unavailable(server)
    assert_unavailable(server, "/readyz")
    assert server.answers("/healthz")
    proxy.restore()
    eventually(lambda: is_working(server))
    assert server.stop() == 0
    assert "Traceback" not in server.log_text()


@needs_server
def test_under_load_every_request_is_answered_in_time_during_outages(server, proxy):
    """Each request gets its response or the 503, in time; afterwards the server works again."""
    eventually(lambda: is_working(server))
    responses, stop = [], threading.Event()

    def request_until_stopped():
        with requests.Session() as http:
            while not stop.is_set():
                began = time.monotonic()
                status = http.get(server.url + "/api/events", timeout=10).status_code
                responses.append((status, time.monotonic() - began))

    threads = [threading.Thread(target=request_until_stopped) for _ in range(8)]
    for thread in threads:
        thread.start()
    for change, seconds in (
        (proxy.cut, 1),
        (proxy.restore, 3.5),
        (proxy.stall, 1),
        (proxy.restore, 3.5),
    ):
        time.sleep(seconds)
        change()
    eventually(lambda: is_working(server))
    stop.set()
    for thread in threads:
        thread.join()
    assert {status for status, _ in responses} == {200, 503}
    assert max(seconds for _, seconds in responses) < ANSWER_SECONDS


@needs_server
def test_the_preparation_may_take_longer_than_a_request(proxy):
    """An index build on a large collection takes long, and starts again if it is interrupted."""
    client = connect(f"mongodb://127.0.0.1:{proxy.port}/?directConnection=true&timeoutMS=300")
    restoring = threading.Timer(0, proxy.restore)

    def prepare(db):
        nonlocal restoring
        restoring.cancel()
        proxy.stall()
        restoring = threading.Timer(1.2, proxy.restore)
        restoring.start()
        db.command("ping")

    with client:
        database = OpenDatabase(client, client["eventapp_test"], prepare)
        database.start()
        assert not database.is_ready
        eventually(lambda: database.is_ready)
