"""`python wsgi.py` as a process serves requests over HTTP and refuses malformed ones."""

import http.client
import socket
import time

import pytest

from tests.live import Server

LOGIN = b"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Start one server for the tests that do not change it."""
    with Server(tmp_path_factory.mktemp("served"), MONGO_URI="") as server:
        yield server.wait()


def send_raw(server, data):
    """Send these bytes, and return the status and the body of the response."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(data)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer.status, answer.read()


def test_the_server_answers(shared):
    assert shared.get("/healthz").json() == "Hello Tickest"
    assert shared.get("/api/events").json()["events"] == []
    assert shared.get("/readyz").status_code == 200
    assert b"eventapp_requests_total" in shared.get("/metrics").content
    assert shared.get("/api/nowhere").json()["code"] == "not_found"


def test_a_kept_alive_connection_has_no_delayed_responses(shared):
    """A body that waited for the client to acknowledge the headers would be 40 ms late."""
    connection = http.client.HTTPConnection("127.0.0.1", shared.port, timeout=10)
    seconds = [timed_get(connection, "/healthz") for _ in range(120)]
    connection.close()
    assert sum(1 for each in seconds if 0.035 < each < 0.055) < 20, seconds


def timed_get(connection, path):
    started = time.monotonic()
    connection.request("GET", path)
    connection.getresponse().read()
    return time.monotonic() - started


def test_photos_are_served_and_no_file_outside_their_folder(shared):
    photo = shared.get("/images/midnight-bakery.webp")
    assert photo.headers["Content-Type"] == "image/webp"
    assert photo.content[8:12] == b"WEBP"
    assert "max-age=" in photo.headers["Cache-Control"]
    for path in (b"/images/../wsgi.py", b"/images/%2e%2e/wsgi.py", b"/images/..%2fwsgi.py"):
        status, body = send_raw(shared, b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (status, b"granian" in body) == (404, False)
    assert shared.get("/images/").status_code == 404


def test_the_documentation_is_served(shared):
    page = shared.get("/api/docs/")
    assert "text/html" in page.headers["Content-Type"]
    assert shared.get("/api/docs/swagger-ui-bundle.js").status_code == 200
    assert shared.get("/api/openapi.json").json()["openapi"].startswith("3.1")


@pytest.mark.parametrize(
    "framing",
    [
        pytest.param(b"Content-Length: %d\r\n\r\n%b", id="with its length"),
        pytest.param(b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n", id="chunked"),
    ],
)
def test_a_body_of_20_mb_is_413(shared, framing):
    body = b'{"email": "' + b"x" * 20_000_000 + b'"}'
    status, answer = send_raw(shared, LOGIN + framing % (len(body), body))
    assert (status, b'"too_large"' in answer) == (413, True)
    assert shared.answers("/healthz")


@pytest.mark.parametrize(
    ("chunks", "code"),
    [
        (b'7\r\n{"email\r\n0\r\n\r\n', "malformed_json"),
        (b'7\r\n{"email\r\n4\r\n": 5\r\n1\r\n}\r\n0\r\n\r\n', "validation_error"),
        (b"0\r\n\r\n", "validation_error"),
    ],
)
def test_chunked_bodies_are_read_to_their_end(shared, chunks, code):
    status, answer = send_raw(shared, LOGIN + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
    assert status == 400
    assert code.encode() in answer


@pytest.mark.parametrize(
    "data",
    [
        b"GET /healthz HTTP/1.1\r\nno colon\r\n\r\n",
        b"NONSENSE\r\n\r\n",
        LOGIN + b"Content-Length: -5\r\n\r\n",
        LOGIN + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_malformed_http_is_400(shared, data):
    assert send_raw(shared, data)[0] == 400
    assert shared.answers("/healthz")


@pytest.mark.parametrize("is_chunked", [False, True])
@pytest.mark.parametrize(
    ("method", "path"), [("DELETE", "/api/favorites/7"), ("GET", "/api/events")]
)
def test_a_body_that_the_route_does_not_take_is_refused(shared, method, path, is_chunked):
    connection = http.client.HTTPConnection("127.0.0.1", shared.port, timeout=10)
    accepted = 200 if method == "GET" else 404
    for body, status in ((b"not json", 400), (b'{"items": []}', 400), (b"{}", accepted)):
        # A body of unknown length is sent in chunks.
        connection.request(method, path, iter([body]) if is_chunked else body)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == status, body
    connection.request("GET", "/healthz")
    assert connection.getresponse().status == 200
    connection.close()
