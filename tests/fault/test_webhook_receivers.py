"""A receiver of webhooks that refuses, hangs or loses its answers misses no delivery."""

import json

import pytest
from standardwebhooks import Webhook

from eventapp.core.clock import utc_now
from eventapp.webhooks import sending, transport
from tests.bookings_factories import Caller, changed, context_of, event_of
from tests.webhook_receiver import (
    Receiver,
    Recording,
    answer_with,
    read_and_wait,
    render_answer,
)
from tests.webhooks import create, list_deliveries, make, send

SHORT = 1.0  # Seconds for an attempt. Nothing that answers needs as much.
WELL = answer_with(200)


def refuse(recording: Recording) -> None:
    """End the connection when the request begins."""
    recording.connection.recv(1)
    recording.reset()


def lose_the_answer(recording: Recording) -> None:
    """Handle the delivery, and end the connection."""
    recording.read_request()
    recording.reset()


def answer_garbage(recording: Recording) -> None:
    recording.read_request()
    recording.connection.sendall(b"\x00\x01\x02\r\n\r\n")


FAULTS = {
    "refuses": (refuse, "connection_lost"),
    "loses the answer": (lose_the_answer, "connection_lost"),
    "hangs": (read_and_wait, "timed_out"),
    "answers garbage": (answer_garbage, "invalid_answer"),
    "redirects": (answer_with(302, b"", "Location: http://127.0.0.1:1/"), "redirect"),
    "fails": (answer_with(500), None),
}


@pytest.fixture
def host(client, app, monkeypatch):
    """An organizer whose webhooks may lead to this machine."""
    monkeypatch.setattr(transport, "ATTEMPT_SECONDS", SHORT)
    with changed(context_of(app), allow_private_webhooks=True):
        yield Caller(client, app, "organizer")


@pytest.fixture
def ann(client, app):
    return Caller(client, app)


@pytest.fixture
def bob(client, app):
    return Caller(client, app)


def parse(request):
    """Return the headers, with names in lower case, and the body of a request."""
    head, _, body = request.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")[1:]
    return {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}, body


@pytest.mark.parametrize("fault", FAULTS)
def test_every_delivery_arrives_once_the_receiver_is_well(app, db, host, ann, fault):
    behave, error = FAULTS[fault]
    with Receiver(behave) as receiver:
        webhook = create(host, url=receiver.url)
        ann.cancel(ann.book(event_of(db, 4, organizer_id=host.id), 2))
        make(app)
        attempts = send(app)
        assert 0 < attempts < 3
        listed = list_deliveries(host, webhook)
        assert listed[-1]["lastAttempt"], "the oldest of those that are due is sent first"
        tried = [each["lastAttempt"] for each in listed if each["lastAttempt"]]
        assert [each["error"] for each in tried] == [error] * attempts
        assert {each["status"] for each in listed} == {"pending"}
        handled = len(receiver.requests)
        receiver.behave = answer_with(200)
        assert send(app, minutes=1) == 3
    requests = [parse(request) for request in receiver.requests]
    payloads = [Webhook(webhook["secret"]).verify(body, headers) for headers, body in requests]
    arrived = {payload["data"]["sequence"]: payload["type"] for payload in payloads[handled:]}
    in_order = [arrived[sequence] for sequence in sorted(arrived)]
    assert in_order == ["booking.confirmed", "booking.cancelled", "booking.refunded"]
    # A receiver recognizes what it has handled before by the id, and finds the same bytes.
    bodies = {}
    for headers, body in requests:
        assert bodies.setdefault(headers["webhook-id"], body) == body
    assert len(bodies) == 3
    assert {each["status"] for each in list_deliveries(host, webhook)} == {"delivered"}
    assert list(db.failedWork.find()) == []


def test_a_slow_receiver_gets_one_delivery_in_a_run(app, db, host, ann, monkeypatch):
    """The next run, which serves the others, does not wait for all that is pending."""

    def answer_slowly(recording):
        recording.read_request()
        recording.stopped.wait(0.3)
        recording.connection.sendall(render_answer(200))

    monkeypatch.setattr(sending, "SLOW_MS", 200)
    with Receiver(answer_slowly) as receiver:
        create(host, url=receiver.url)
        ann.cancel(ann.book(event_of(db, 4, organizer_id=host.id), 2))
        make(app)
        for _run in range(3):
            assert sending.send_first_attempts(context_of(app), utc_now()) == 1
        assert sending.send_first_attempts(context_of(app), utc_now()) == 0


def test_receivers_that_hang_delay_no_other(app, db, host, ann, bob, monkeypatch):
    """More of them hang than there are threads. The next run waits for none of them."""
    count = 3
    monkeypatch.setattr(sending, "THREADS", 2)
    with Receiver(read_and_wait) as hanging, Receiver(WELL) as well:
        for _number in range(count):
            create(host, url=hanging.url)
        create(host, url=well.url)
        event_id = event_of(db, 4, organizer_id=host.id)
        ann.book(event_id)
        make(app)
        assert sending.send_first_attempts(context_of(app), utc_now()) == count + 1
        assert (hanging.connections, well.connections) == (count, 1)
        bob.book(event_id)
        make(app)
        assert sending.send_first_attempts(context_of(app), utc_now()) == 1
        assert (hanging.connections, well.connections) == (count, 2)
    assert json.loads(parse(well.requests[1])[1])["type"] == "booking.confirmed"
