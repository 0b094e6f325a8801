"""Connections without a request in work: idle ones, partial heads and partial bodies.

Each test is an attack of one client. It asserts what becomes of its connections, and that another
client is answered meanwhile.
"""

import time
from contextlib import suppress

import pytest

from tests.abuse.attacks import (
    ATTACKER,
    OTHER,
    attack,
    connect,
    count_possible_connections,
    get_status,
)
from tests.factories import event_body
from tests.http.test_streams_live import register
from tests.live import Server, eventually

LIMIT = 64  # the default of MAX_IDLE_CONNECTIONS_PER_ADDRESS
BODY_SECONDS = 15
PATHS = ["/api/auth/login", "/api/events/1/stream", "/api/notifications/stream", "/stream", "/"]


def make_half_body(path="/api/auth/login", length=100):
    """Return the head of a POST request and the first byte of its body."""
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n"
    return f"{head}Content-Type: application/json\r\n\r\n{{".encode()


def make_half_chunk():
    head = "POST /api/auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
    return f"{head}Content-Type: application/json\r\n\r\n64\r\n{{".encode()


@pytest.fixture(scope="module")
def stream(server):
    return make_stream_path(server)


def make_stream_path(server):
    """Return the path of the stream of a new event."""
    organizer = register(server, "Olga", "organizer")
    event = server.post("/api/events", event_body(), headers=organizer).json()
    return f"/api/events/{event['eventId']}/stream"


@pytest.mark.parametrize("path", PATHS)
def test_half_bodies_block_nobody(server, stream, path):
    with attack(server) as attacking:
        attacking.open(LIMIT, make_half_body(path))
        time.sleep(0.3)
        began = time.monotonic()
        assert get_status(server, "/healthz", ATTACKER) == 200
        with connect(server, OTHER) as other:
            other.sendall(f"GET {stream} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert other.recv(12) == b"HTTP/1.1 200"
        assert time.monotonic() - began < 1
        assert attacking.read_fates() == {"open": LIMIT}


@pytest.mark.parametrize("data", [make_half_body(), make_half_body("/api/events/1/stream")])
def test_half_bodies_over_the_limit_are_answered_408(server, data):
    with attack(server) as attacking:
        attacking.open(200, data)
        eventually(lambda: attacking.count_open() <= LIMIT, 5)
        fates = attacking.read_fates()
        assert fates["open"] == LIMIT
        assert fates[408] > 100
        assert get_status(server, "/healthz", ATTACKER) == 200


def test_half_bodies_of_many_addresses_leave_threads_for_others(server):
    with attack(server) as attacking:
        for number in range(30):
            attacking.open(44, make_half_body(), f"127.0.1.{number + 1}")
        eventually(lambda: attacking.count_open() <= 512, 5)
        assert get_status(server) == 200


def drip(connection, seconds, data=b" "):
    """Send a little again and again; return after how many seconds the server ended it."""
    started = time.monotonic()
    connection.settimeout(0.25)
    with suppress(ConnectionError):
        while time.monotonic() - started < seconds:
            connection.sendall(data)
            with suppress(TimeoutError):
                while connection.recv(4096):
                    continue
                break
    return time.monotonic() - started


def test_a_body_has_15_seconds_in_all(server):
    with attack(server) as attacking:
        attacking.open(8, make_half_body())
        attacking.open(8, make_half_chunk())
        with connect(server) as dripping, connect(server) as uploading:
            dripping.sendall(make_half_body(length=1000))
            uploading.sendall(make_half_body("/api/recoms", 30_000_000))
            assert BODY_SECONDS - 1 < drip(dripping, BODY_SECONDS + 5) < BODY_SECONDS + 3
            assert drip(uploading, 5) < 3
        eventually(lambda: attacking.count_open() == 0, 5)
        assert attacking.read_fates() == {408: 16}
        for connection in attacking.connections:
            connection.settimeout(5)
            assert b'"code":"body_timeout"' in connection.recv(4096)
            assert connection.recv(1) == b""


def test_idle_connections_of_one_address_are_limited(server):
    with attack(server) as attacking:
        attacking.open(count_possible_connections(4_200))
        eventually(lambda: attacking.count_open() <= LIMIT, 10)
        assert attacking.read_fates()["open"] == LIMIT
        assert get_status(server, "/healthz", ATTACKER) == 200


def test_partial_heads_of_one_address_are_limited(server):
    with attack(server) as attacking:
        attacking.open(500, b"GET /healthz HTTP/1.1\r\nHost: ")
        eventually(lambda: attacking.count_open() <= LIMIT, 10)
        assert attacking.read_fates()["open"] == LIMIT


def test_a_connection_that_was_answered_and_is_idle_counts(server):
    with attack(server) as attacking:
        attacking.open(300, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        eventually(lambda: attacking.read_fates()[200] == 300, 10)
        for connection in attacking.connections:
            connection.recv(4096)
        eventually(lambda: attacking.count_open() <= LIMIT, 10)
        assert attacking.read_fates()["open"] == LIMIT


def test_streams_of_an_address_are_limited_and_outlive_its_idle_connections(server, stream):
    request = f"GET {stream} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    with attack(server) as attacking, attack(server) as idling:
        attacking.open(150, request)
        eventually(lambda: sum(attacking.read_fates()[each] for each in (200, 429)) == 150, 20)
        assert attacking.read_fates() == {200: 100, 429: 50}
        streams = [each for each in attacking.connections if each.recv(12) == b"HTTP/1.1 200"]
        assert len(streams) == 100
        idling.open(1_000)
        eventually(lambda: idling.count_open() <= LIMIT, 10)
        assert all(is_open_stream(each) for each in streams)


def is_open_stream(connection):
    """Return whether the server has not ended a connection, reading what it has sent."""
    connection.setblocking(False)
    with suppress(BlockingIOError):
        while data := connection.recv(4096):
            assert data
        return False
    return True


def test_a_proxy_is_exempt(tmp_path):
    settings = {"MONGO_URI": "", "PROXY_ADDRESSES": f"10.0.0.0/8, {ATTACKER}"}
    with Server(tmp_path, **settings) as server:
        stream = make_stream_path(server.wait())
        with attack(server) as attacking:
            attacking.open(200)
            attacking.open(110, f"GET {stream} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            eventually(lambda: attacking.read_fates()[200] == 110, 10)
            time.sleep(1.5)
            assert attacking.read_fates() == {"open": 200, 200: 110}


def test_requests_in_work_are_not_ended(tmp_path):
    """An address loses idle connections, but none whose request is in work for seconds."""
    body = b'{"email": "a@example.org", "password": "long enough", "name": "A"}'
    head = "POST /api/auth/register HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    with (
        Server(tmp_path, MONGO_URI="", BCRYPT_ROUNDS="12") as server,
        attack(server.wait()) as idling,
        attack(server) as working,
    ):
        idling.open(LIMIT // 2)
        working.open(4, f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        idling.open(LIMIT)
        eventually(lambda: idling.count_open() <= LIMIT, 5)
        eventually(lambda: working.count_open() == 0, 20)
        assert working.read_fates() == {201: 1, 409: 3}
