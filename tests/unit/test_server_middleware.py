"""The middleware of a server process: bodies read first, permits, threads for streams."""

import io
import threading
import time
from types import SimpleNamespace

import pytest

from eventapp.core.server import request_bodies
from eventapp.core.server.connection_watch import choose_bodies_to_cancel, choose_waiting, end_some
from eventapp.core.server.connections import Connection
from eventapp.core.server.middleware import limit_concurrency, make_stream_test
from eventapp.core.server.open_requests import REQUEST_KEY, OpenRequest
from eventapp.core.server.request_bodies import BodyMemory, read_bodies


def answer_body(environ, start_response):
    start_response("200 OK", [])
    return [environ["wsgi.input"].read()]


def call(app, data=b"", **environ):
    """Return the status and the body that a WSGI application answers."""
    statuses = []
    environ = {"PATH_INFO": "/", "REQUEST_METHOD": "POST", "wsgi.input": io.BytesIO(data)} | environ
    body = b"".join(app(environ, lambda status, _headers: statuses.append(status)))
    return int(statuses[0][:3]), body


def test_a_body_is_read_before_the_application_is_called():
    for size in (0, 1, 70_000, 1_000_000):
        data = b"x" * size
        app = read_bodies(answer_body)
        assert call(app, data + b"more", CONTENT_LENGTH=str(size)) == (200, data or b"more")
        assert call(app, data, HTTP_TRANSFER_ENCODING="chunked") == (200, data)


def test_no_more_of_a_body_is_kept_than_the_application_accepts():
    data, form = b"x" * 3_000_000, "multipart/form-data; boundary=x"
    app, length = read_bodies(answer_body), str(len(data))
    assert call(app, data, CONTENT_LENGTH=length) == (200, b"")
    assert call(app, data, CONTENT_LENGTH=length, CONTENT_TYPE=form) == (200, data)
    kept = call(app, data, HTTP_TRANSFER_ENCODING="chunked")[1]
    assert request_bodies.MAX_BODY_BYTES < len(kept) < 1_200_000


def test_the_memory_for_bodies_is_limited_by_address_and_in_total():
    memory = BodyMemory(250_000, per_address=150_000)
    app = read_bodies(answer_body, memory)
    length = {"CONTENT_LENGTH": "100000"}
    assert memory.take("10.0.0.1", 100_000)
    assert call(app, b"x" * 100_000, REMOTE_ADDR="10.0.0.1", **length)[0] == 503
    assert call(app, b"x" * 100_000, REMOTE_ADDR="10.0.0.2", **length)[0] == 200
    assert memory.take("10.0.0.3", 100_000)
    assert call(app, b"x" * 100_000, REMOTE_ADDR="10.0.0.2", **length)[0] == 503
    memory.free("10.0.0.1", 100_000)
    assert call(app, b"x" * 100_000, REMOTE_ADDR="10.0.0.1", **length)[0] == 200


def test_a_cancelled_request_is_not_handled():
    sent, handled = [], []
    protocol = SimpleNamespace(response_bytes=lambda *answer: sent.append(answer))
    request = OpenRequest("10.0.0.1", protocol)

    class Input:
        def read(self, _size):
            assert request.cancel()
            assert not request.cancel()
            return b""

    app = read_bodies(lambda *_: handled.append(1) or [])
    environ = {REQUEST_KEY: request, "CONTENT_LENGTH": "5", "wsgi.input": Input()}
    assert call(app, **environ)[1] == b""
    assert [answer[0] for answer in sent] == [408]
    assert handled == []


def test_a_complete_request_cannot_be_cancelled():
    request = OpenRequest("10.0.0.1", SimpleNamespace(response_bytes=None))
    assert not request.cancel()
    request.begin_receiving()
    assert request.end_receiving()
    assert not request.cancel()


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/api/events/1/stream", True),
        ("GET", "/api/notifications/stream", True),
        ("HEAD", "/api/events/1/stream", False),
        ("POST", "/api/events/1/stream", False),
        ("GET", "/images/stream", False),
        ("GET", "/stream", False),
        ("GET", "/api/events/1", False),
    ],
)
def test_only_get_on_the_route_of_a_stream_opens_one(app, method, path, expected):
    is_stream = make_stream_test(app)
    assert is_stream({"REQUEST_METHOD": method, "PATH_INFO": path}) is expected


def test_a_stream_is_refused_if_no_thread_can_open_it():
    proceed = threading.Event()

    def slow(_environ, start_response):
        proceed.wait(10)
        start_response("200 OK", [])
        return [b"stream"]

    app = limit_concurrency(slow, lambda _environ: True, max_opener_wait=0.2)
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(call(app)), daemon=True) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 10
    while len(answers) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [status for status, _ in answers] == [503] * 4
    proceed.set()
    for thread in threads:
        thread.join(10)
    assert sorted(status for status, _ in answers) == [200] * 4 + [503] * 4


def make_request(address, seconds, now=1000.0):
    request = OpenRequest(address)
    request.receiving_since = now - seconds
    return request


def test_late_bodies_are_cancelled_and_those_of_the_busiest_address(monkeypatch):
    monkeypatch.setattr("eventapp.core.server.connection_watch.MAX_RECEIVED_AT_ONCE", 4)
    late, few = make_request("10.0.0.1", 15), make_request("10.0.0.2", 14)
    many = [make_request("10.0.0.3", seconds) for seconds in (1, 5, 3, 4, 2)]
    assert choose_bodies_to_cancel([few, *many, late], 1000.0) == [late, many[1], many[3]]


def make_connection(number, quiet_seconds, now=1000.0):
    peer, quiet_since = ("10.0.0.1", number), now - quiet_seconds
    return Connection(number, peer, quiet_since, 9, 9, is_answered=True, is_established=True)


def test_connections_whose_request_is_in_work_are_left_out():
    connections = [make_connection(at, quiet) for at, quiet in enumerate((0.1, 3, 9, 7.1, 5))]
    request = OpenRequest("10.0.0.1")
    request.active_at = 993.0
    waiting = choose_waiting(connections, [request], 1000.0)
    assert [each.file for each in waiting] == [2, 4, 1]


class CountedConnection:
    """A connection that counts how often it was ended."""

    def __init__(self, quiet_since, bytes_received=9, *, is_answered=True):
        self.quiet_since, self.bytes_received = quiet_since, bytes_received
        self.is_answered, self.ended = is_answered, 0

    def shut_down(self):
        self.ended += 1


def test_unused_connections_are_ended_first_and_partial_requests_last():
    answered = [CountedConnection(990), CountedConnection(991)]
    unused = [CountedConnection(992, 0, is_answered=False), CountedConnection(993, 0)]
    partial = [CountedConnection(each, is_answered=False) for each in (994, 995, 999.5)]
    waiting, body = answered + unused + partial, make_request("10.0.0.1", 6)
    for count, ended, cancelled in (
        (0, [], []),
        (1, unused[:1], []),
        (3, unused + answered[:1], []),
        (5, unused + answered, [body]),
        (9, unused + answered + partial[:1], [body]),
    ):
        for each in waiting:
            each.ended = 0
        assert end_some(waiting, [body], count, quiet_before=998.0) == cancelled
        assert [each for each in waiting if each.ended] == [e for e in waiting if e in ended]
