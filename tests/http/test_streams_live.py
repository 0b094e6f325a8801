"""Streams of real servers: two on one database, cut connections, shutdown, and slow clients."""

import http.client
import json
import socket
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import granian
import pytest
import requests

from eventapp.config import load_config
from tests import factories
from tests.conftest import MONGO_URI, drop_database, make_database_uri
from tests.live import Server, eventually, has_read_everything
from tests.streaming import ServerStream

PASSWORD = "long enough"
STREAMS = 300
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Two servers on one database; on the embedded store, which serves one process, one twice."""
    uri = {"MONGO_URI": make_database_uri(MONGO_URI)} if MONGO_URI else {}
    folders = [tmp_path_factory.mktemp("server") for _ in range(2 if uri else 1)]
    same = {"WEB_CONCURRENCY": "1", "JWT_SECRET": "s" * 40}
    servers = [Server(folder, **same, **uri) for folder in folders]
    try:
        yield [server.wait() for server in servers] * (1 if uri else 2)
    finally:
        for server in servers:
            server.__exit__()
        if uri:
            drop_database(load_config(servers[0].settings))


def make_person(name, role="attendee"):
    return {"name": name, "email": f"{name}@example.org", "password": PASSWORD, "role": role}


def register(server, name, role="attendee"):
    """Return the headers of a new account."""
    token = server.post("/api/auth/register", make_person(name, role)).json()["accessToken"]
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def people(shared):
    organizer = register(shared[0], "Olga", "organizer")
    return {"organizer": organizer, "ann": register(shared[0], "Ann")}


@pytest.fixture
def event(shared, people):
    body = factories.event_body()
    return shared[0].post("/api/events", body, headers=people["organizer"]).json()


def open_stream(server, event, last_event_id=None):
    return ServerStream(f"{server.url}/api/events/{event['eventId']}/stream", last_event_id)


def write(server, event, text, headers):
    path = f"/api/events/{event['eventId']}/messages"
    answer = requests.post(server.url + path, json={"text": text}, headers=headers, timeout=10)
    assert answer.status_code == 201, answer.text


def test_a_server_streams_the_changes_of_another_one(shared, people, event):
    here, there = shared
    with open_stream(here, event) as source:
        first = source.next()
        assert (first.event, first.data["ticketTypes"][0]["availableTickets"]) == (
            "availability",
            100,
        )
        order = {"eventId": event["eventId"], "ticketTypeId": 1, "quantity": 3}
        assert there.post("/api/bookings", order, headers=people["ann"]).status_code == 201
        availability = source.next("availability")
        assert availability.data["ticketTypes"][0]["availableTickets"] == 97
        write(there, event, "Hello <b>there</b>", people["ann"])
        message = source.next("message")
        assert (message.data["text"], message.data["author"]["name"]) == (
            "Hello <b>there</b>",
            "Ann",
        )
        path = f"/api/events/{event['eventId']}/cancel"
        assert there.post(path, {}, headers=people["organizer"]).status_code == 200
        assert source.next("event").data["change"] == "cancelled"


def test_a_stream_resumed_under_load_misses_and_repeats_nothing(shared, people, event):
    writers, count, received, last_id = 3, 40, [], None

    def write_all(number):
        for index in range(count):
            write(shared[index % 2], event, f"{number}:{index}", people["ann"])

    with open_stream(shared[0], event) as source:
        last_id = source.next().id
    threads = [threading.Thread(target=write_all, args=(number,)) for number in range(writers)]
    for thread in threads:
        thread.start()
    cuts = 0
    while len(received) < writers * count:
        with open_stream(shared[cuts % 2], event, last_id) as source:
            for _ in range(17):  # Then the connection is cut, whatever may be on its way.
                message = source.next("message")
                received.append(message.data)
                last_id = message.id
                if len(received) == writers * count:
                    break
        cuts += 1
    for thread in threads:
        thread.join()
    assert cuts >= 7
    texts = [message["text"] for message in received]
    assert [message["seq"] for message in received] == list(range(1, writers * count + 1))
    assert len(set(texts)) == writers * count
    for number in range(writers):  # The messages of each writer come in the order of writing.
        written = [text for text in texts if text.startswith(f"{number}:")]
        assert written == [f"{number}:{index}" for index in range(count)]


def test_streams_end_and_requests_finish_when_the_server_stops(tmp_path):
    server = Server(tmp_path, BCRYPT_ROUNDS="12", WEB_CONCURRENCY="1").wait()
    try:
        organizer = register(server, "Olga", "organizer")
        event = server.post("/api/events", factories.event_body(), headers=organizer).json()
        sources = [open_stream(server, event) for _ in range(30)]
        for source in sources:
            source.next("availability")
        late = http.client.HTTPConnection("127.0.0.1", server.port)
        late.request("POST", "/api/auth/register", json.dumps(make_person("Late")), JSON)
        eventually(lambda: has_read_everything(late.sock))
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 25  # After 30 s the server would kill what is left.
        assert late.getresponse().status == 201
        for source in sources:
            assert source.ended.wait(30)
        assert "Traceback" not in server.log_text()
    finally:
        server.__exit__()
        if MONGO_URI:
            drop_database(load_config(server.settings))


def count_open_streams(server):
    """Return how many open streams the server reports."""
    lines = server.get("/metrics").text.splitlines()
    counted = [line for line in lines if line.startswith("eventapp_open_streams")]
    return sum(float(line.split()[-1]) for line in counted)


def test_a_disconnected_client_no_longer_counts_as_an_open_stream(shared, people, event):
    server = shared[0]
    before = count_open_streams(server)  # Those of other tests, whose end is noticed later.
    sources = [open_stream(server, event) for _ in range(5)]
    for source in sources:
        source.next("availability")
    assert count_open_streams(server) >= 5
    for source in sources:
        source.disconnect()
    write(server, event, "anyone there?", people["ann"])
    # The end is noticed at the latest when the next comment is sent, after 15 s.
    eventually(lambda: count_open_streams(server) <= before, 60)


def test_a_client_that_stops_reading_does_not_delay_others(shared, people, event):
    server, path = shared[0], f"/api/events/{event['eventId']}/stream"
    with socket.socket() as slow, open_stream(server, event) as quick:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(("127.0.0.1", server.port))
        slow.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        quick.next("availability")
        long = "\N{GRINNING FACE}" * 2000
        for number in range(60):
            write(server, event, f"{number}{long}"[:2000], people["ann"])
        for number in range(60):
            assert quick.next("message").data["text"].startswith(str(number))


def read_resident_kb(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


@pytest.mark.skipif(
    b"_RJEM_MALLOC_CONF" not in Path(granian._granian.__file__).read_bytes(),
    reason="Granian's build for this machine has another allocator",
)
@pytest.mark.parametrize(("allocator", "cheap"), [("", True), ("tcache:true", False)])
def test_an_open_stream_costs_less_than_75_kb(tmp_path, monkeypatch, allocator, cheap):
    """A stream costs about 41 kB. The control, where each thread caches memory, costs 104 kB."""
    if allocator:
        monkeypatch.setenv("_RJEM_MALLOC_CONF", allocator)
    settings = {"WEB_CONCURRENCY": "1", "MAX_STREAMS_PER_ADDRESS": str(STREAMS)}
    with Server(tmp_path, **settings) as server, ExitStack() as open_lines:
        organizer = register(server.wait(), "Olga", "organizer")
        event = server.post("/api/events", factories.event_body(), headers=organizer).json()
        request = f"GET /api/events/{event['eventId']}/stream HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        (worker,) = server.workers()
        before = read_resident_kb(worker)
        for _ in range(STREAMS):
            line = socket.create_connection(("127.0.0.1", server.port))
            open_lines.enter_context(line).sendall(request)
            assert line.recv(4096).startswith(b"HTTP/1.1 200")
        each = (read_resident_kb(worker) - before) / STREAMS
        if MONGO_URI:
            drop_database(load_config(server.settings))
    assert (each < 75) is cheap, f"{each} kB"
