"""A delivery is sent to one judged address, and no receiver costs more than the time of an attempt.

The receivers are on this machine. Where a test needs a public address, a socket leads there from
the address that the transport connects to.
"""

import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from eventapp.webhooks import lookups, transport
from eventapp.webhooks.transport import MAX_ANSWER_BYTES, Answer, send
from tests.seen_library import replace_seen
from tests.webhook_receiver import (
    Authority,
    Receiver,
    answer_with,
    read_and_wait,
    render_answer,
    unused_port,
    wait_silently,
)

BODY = json.dumps({"type": "booking.confirmed"}).encode()
HEADERS = {"webhook-id": "msg_1", "webhook-timestamp": "1", "webhook-signature": "v1,abc"}
NAME, PUBLIC_ADDRESS = "hooks.example.org", "8.8.8.8"
# Short, so that tests of slow receivers are quick; long, so that others are not slow by chance.
SHORT, LONG = 0.4, 20.0
BIG_BODY = bytes(16_000_000)  # More than the buffers of a connection hold.


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(autouse=True)
def trusted(authority, monkeypatch):
    """Trust the authority, as an operator would: by the environment."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
    transport.make_tls_context.cache_clear()
    yield
    transport.make_tls_context.cache_clear()


@pytest.fixture(autouse=True)
def limit(monkeypatch):
    """Return a function that sets the time of an attempt."""

    def set_limit(seconds):
        monkeypatch.setattr(transport, "ATTEMPT_SECONDS", seconds)

    set_limit(LONG)
    return set_limit


@pytest.fixture
def resolver(monkeypatch):
    """Answer each lookup with the next list of addresses, and return the names asked for."""

    class Resolver:
        def __init__(self):
            self.asked, self.answers = [], [["127.0.0.1"]]

        def getaddrinfo(self, host, port, **_kind):
            self.asked.append(host)
            found = self.answers[min(len(self.asked), len(self.answers)) - 1]
            return [(0, 0, 0, "", (each, port)) for each in found]

    made = Resolver()
    replace_seen(monkeypatch, lookups, "socket", getaddrinfo=made.getaddrinfo)
    return made


@pytest.fixture
def wire(monkeypatch):
    """Return a function that leads every connection to a receiver, and a list of the addresses."""
    connected = []

    def lead_to(receiver):
        class Wired(socket.socket):
            def connect(self, address):
                connected.append(address[0])
                super().connect(("127.0.0.1", receiver.port))

        monkeypatch.setattr(transport, "socket", Wired)
        return connected

    return lead_to


def send_to(url, body=BODY):
    return send(url, body, HEADERS, allow_private=True)


def test_a_delivery_arrives_as_it_was_signed():
    with Receiver(answer_with(200, b"thanks")) as receiver:
        answer = send_to(f"{receiver.url}?a=b%20c")
    assert answer == Answer(200, b"thanks", None, answer.duration_ms)
    head, _, body = receiver.requests[0].partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    assert first == "POST /hook?a=b%20c HTTP/1.1"
    headers = dict(line.split(": ", 1) for line in lines)
    assert len(headers) == len(lines)
    assert {name.lower(): value for name, value in headers.items()} == HEADERS | {
        "host": f"127.0.0.1:{receiver.port}",
        "user-agent": "eventapp-webhooks",
        "accept-encoding": "identity",
        "connection": "close",
        "content-type": "application/json",
        "content-length": str(len(BODY)),
    }
    assert body == BODY


@pytest.mark.parametrize("status", [201, 202, 204, 400, 404, 410, 429, 500, 503])
def test_the_status_of_the_answer_is_returned(status):
    with Receiver(answer_with(status)) as receiver:
        answer = send_to(receiver.url)
    assert (answer.status, answer.error) == (status, None)


def test_an_interim_answer_is_not_the_answer():
    def behave(recording):
        recording.read_request()
        recording.connection.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n" + render_answer(200))

    with Receiver(behave) as receiver:
        assert send_to(receiver.url).status == 200


def test_an_answer_in_chunks_or_until_the_end_of_the_connection_is_read():
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
    for text in (chunked, b"HTTP/1.0 200 OK\r\n\r\nabc"):

        def behave(recording, text=text):
            recording.read_request()
            recording.connection.sendall(text)

        with Receiver(behave) as receiver:
            assert send_to(receiver.url).excerpt == b"abc"


# TLS


def test_tls_is_verified_for_the_name_and_the_connection_made_to_the_address(
    authority, resolver, wire
):
    resolver.answers = [[PUBLIC_ADDRESS]]
    with Receiver(answer_with(200), authority.make_context(NAME)) as receiver:
        connected = wire(receiver)
        answer = send(f"https://{NAME}/", BODY, HEADERS, allow_private=False)
    assert (answer.status, answer.error) == (200, None)
    assert connected == [PUBLIC_ADDRESS]
    assert receiver.server_names == [NAME]
    assert f"\r\nhost: {NAME}\r\n".encode() in receiver.requests[0].lower()


def test_a_certificate_may_be_for_an_address(authority):
    with Receiver(answer_with(200), authority.make_context("127.0.0.1")) as receiver:
        assert send_to(f"https://127.0.0.1:{receiver.port}/").status == 200


@pytest.mark.parametrize(
    ("hosts", "valid_for"),
    [
        (["other.example.org"], timedelta(days=1)),
        (["127.0.0.1"], timedelta(days=1)),
        (["example.org"], timedelta(days=1)),
        (["*.other.example.org"], timedelta(days=1)),
        ([NAME], timedelta(days=-1)),
    ],
)
def test_a_certificate_for_another_name_or_an_expired_one_is_refused(
    authority, resolver, hosts, valid_for
):
    context = authority.make_context(*hosts, valid_for=valid_for)
    with Receiver(answer_with(200), context) as receiver:
        answer = send_to(f"https://{NAME}:{receiver.port}/")
    assert (answer.status, answer.error) == (None, "certificate_invalid")
    assert receiver.requests == []


def test_a_certificate_of_an_unknown_authority_is_refused(resolver, tmp_path):
    context = Authority(tmp_path).make_context(NAME)
    with Receiver(answer_with(200), context) as receiver:
        assert send_to(f"https://{NAME}:{receiver.port}/").error == "certificate_invalid"
    assert receiver.requests == []


def test_a_receiver_without_tls_is_no_https_receiver():
    def behave(recording):
        recording.connection.recv(1024)
        recording.connection.sendall(render_answer(200))

    with Receiver(behave) as receiver:
        assert send_to(receiver.url.replace("http", "https")).error == "tls_failed"


# Addresses


def test_a_name_is_looked_up_once_and_a_later_answer_is_never_used(resolver, wire, authority):
    """A name that is public when it is judged may be private when another lookup is made."""
    resolver.answers = [[PUBLIC_ADDRESS], ["127.0.0.1"]]
    with Receiver(answer_with(200), authority.make_context(NAME)) as receiver:
        connected = wire(receiver)
        assert send(f"https://{NAME}/", BODY, HEADERS, allow_private=False).status == 200
        assert resolver.asked == [NAME]
        assert send(f"https://{NAME}/", BODY, HEADERS, allow_private=False) == Answer(
            None, b"", "address_refused", pytest.approx(0, abs=5000)
        )
    assert connected == [PUBLIC_ADDRESS]


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", NAME])
def test_nothing_is_sent_to_a_private_address(resolver, host):
    with Receiver(answer_with(200)) as receiver:
        answer = send(f"http://{host}:{receiver.port}/", BODY, HEADERS, allow_private=False)
    assert answer.error == "address_refused"
    assert receiver.connections == 0


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
def test_a_redirect_is_not_followed(status):
    with Receiver(answer_with(200)) as private:
        behavior = answer_with(status, b"", f"Location: {private.url}")
        with Receiver(behavior) as receiver:
            answer = send_to(receiver.url)
    assert (answer.status, answer.error) == (status, "redirect")
    assert (receiver.connections, private.connections) == (1, 0)


def test_proxies_of_the_environment_are_not_used(monkeypatch):
    with Receiver(answer_with(200)) as proxy, Receiver(answer_with(200)) as receiver:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
            monkeypatch.setenv(name.upper(), f"http://127.0.0.1:{proxy.port}")
        assert send_to(receiver.url).status == 200
    assert (receiver.connections, proxy.connections) == (1, 0)


def test_a_url_that_nothing_can_be_sent_to_is_an_error_of_the_delivery():
    assert send_to("https://user@hooks.example.org/").error == "invalid_url"


def test_a_name_without_addresses_is_an_error_of_the_delivery(resolver):
    resolver.answers = [[]]
    assert send_to(f"https://{NAME}/").error == "host_not_found"


# Broken receivers


def test_a_refused_connection_is_named():
    with unused_port() as port:
        assert send_to(f"http://127.0.0.1:{port}/").error == "connection_failed"


@pytest.mark.parametrize("ending", ["close", "reset", "half"])
def test_a_connection_that_ends_before_the_answer_is_named(ending):
    def behave(recording):
        recording.read_request()
        if ending == "half":
            recording.connection.sendall(b"HTTP/1.1 200 OK\r\nContent-")
        if ending == "reset":
            recording.reset()

    with Receiver(behave) as receiver:
        answer = send_to(receiver.url)
    assert (answer.status, answer.error) == (None, "connection_lost")


@pytest.mark.parametrize(
    "text",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * MAX_ANSWER_BYTES,
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * MAX_ANSWER_BYTES,
        b"HTTP/1.1 100 Continue\r\n\r\n" * MAX_ANSWER_BYTES,
    ],
    ids=["not_http", "status", "upgrade", "length", "long_header", "headers", "interim"],
)
def test_an_answer_that_is_no_http_or_has_a_huge_head_is_named(text):
    def behave(recording):
        recording.read_request()
        recording.connection.sendall(text)

    with Receiver(behave) as receiver:
        answer = send_to(receiver.url)
    assert (answer.status, answer.error) == (None, "invalid_answer")


def test_one_kilobyte_of_an_endless_answer_is_read():
    def behave(recording):
        recording.read_request()
        recording.connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not recording.stopped.is_set():
            recording.connection.sendall(b"x" * 65536)

    with Receiver(behave) as receiver:
        answer = send_to(receiver.url)
    assert (answer.status, answer.excerpt, answer.error) == (200, b"x" * 1024, None)


def test_the_head_of_an_answer_counts_if_its_body_breaks_off():
    def behave(recording):
        recording.read_request()
        recording.connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart")

    with Receiver(behave) as receiver:
        answer = send_to(receiver.url)
    assert (answer.status, answer.excerpt, answer.error) == (200, b"part", None)


def test_an_answer_counts_that_comes_before_the_request_is_read():
    def behave(recording):
        recording.connection.recv(1)
        recording.connection.sendall(render_answer(413))

    with Receiver(behave) as receiver:
        assert send_to(receiver.url, BIG_BODY).status == 413


# Slow receivers


def drip_head(recording):
    recording.read_request()
    recording.drip(render_answer(200, b"", *(f"Header-{n}: x" for n in range(100))), 0.05)


def drip_bytes_of_tls(recording):
    recording.drip(b"\x16\x03\x03\x00\x7a\x02" + bytes(200), 0.05)


@pytest.mark.parametrize(
    ("scheme", "behave", "body"),
    [
        ("http", read_and_wait, BODY),
        ("http", drip_head, BODY),
        ("http", wait_silently, BIG_BODY),
        ("https", wait_silently, BODY),
        ("https", drip_bytes_of_tls, BODY),
    ],
    ids=["silent", "slow_head", "slow_upload", "silent_tls", "slow_tls"],
)
def test_an_attempt_ends_with_its_time(limit, scheme, behave, body):
    limit(SHORT)
    with Receiver(behave) as receiver:
        answer = send_to(receiver.url.replace("http", scheme), body)
    assert (answer.status, answer.error) == (None, "timed_out")
    assert SHORT <= answer.duration_ms / 1000 < LONG / 4


def test_the_head_of_an_answer_counts_if_its_body_is_too_slow(limit):
    def behave(recording):
        recording.read_request()
        recording.connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")
        recording.drip(b"x" * 500, 0.05)

    limit(3 * SHORT)
    with Receiver(behave) as receiver:
        answer = send_to(receiver.url)
    assert (answer.status, answer.error) == (200, None)
    assert 0 < len(answer.excerpt) < 500
    assert answer.duration_ms / 1000 < LONG / 4


def test_the_connection_is_closed_after_a_timeout(limit):
    closed = threading.Event()

    def behave(recording):
        recording.read_request()
        if recording.connection.recv(1) == b"":
            closed.set()

    limit(SHORT)
    with Receiver(behave) as receiver:
        assert send_to(receiver.url).error == "timed_out"
        assert closed.wait(LONG)


def count_lookup_threads():
    return sum(thread.name == "webhook-lookup" for thread in threading.enumerate())


def test_name_servers_that_hang_cost_the_time_of_an_attempt_and_few_threads(limit, monkeypatch):
    released, most = threading.Event(), []

    def hang(host, port, **_kind):
        most.append(count_lookup_threads())
        released.wait(LONG)
        return []

    replace_seen(monkeypatch, lookups, "socket", getaddrinfo=hang)
    limit(SHORT)
    with ThreadPoolExecutor(100) as senders:
        answers = list(senders.map(send_to, [f"https://{NAME}/"] * 100))
    assert {answer.error for answer in answers} == {"timed_out"}
    released.set()
    deadline = time.monotonic() + LONG
    while count_lookup_threads() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert count_lookup_threads() == 0
    assert max(most) <= lookups.MAX_LOOKUPS == len(most)
    assert lookups._free_threads._value == lookups.MAX_LOOKUPS


def test_slow_receivers_cost_no_threads_and_no_connections(limit):
    limit(SHORT)
    before = threading.active_count()
    with Receiver(read_and_wait) as receiver:
        with ThreadPoolExecutor(100) as senders:
            answers = list(senders.map(send_to, [receiver.url] * 100))
        assert {answer.error for answer in answers} == {"timed_out"}
    assert 0 < receiver.connections <= 100
    assert threading.active_count() == before
