"""The imitation of Stripe delivers, loses and repeats events, and fails as tests ask for."""

import random
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import stripe

from eventapp.payments.provider import Attempt, PaymentUnavailable
from eventapp.payments.stripe import StripePayments
from eventapp.payments.stripe_settings import StripeSettings
from tests.fake_stripe import FakeStripe, NotPayable
from tests.live import eventually


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0.01)
    with FakeStripe() as fake:
        yield fake


@pytest.fixture
def provider(fake):
    return StripePayments(StripeSettings(fake.secret_key, fake.webhook_secret, fake.url))


class Endpoint:
    """Stands for a Flask client: answers each delivery with the next of some statuses."""

    def __init__(self, *statuses):
        self.statuses, self.bodies = list(statuses), []

    def post(self, _path, data, headers):
        self.bodies.append(data)
        self.status_code = self.statuses.pop(0) if self.statuses else 200
        return self


def start(provider, number=1):
    attempt = Attempt(f"{number:024x}", "b" * 24, 1000, "EUR", "AB12CD")
    return provider.create(attempt).client_secret


def test_events_are_pending_until_they_are_accepted(fake, provider):
    fake.pay(start(provider))
    assert [each.type for each in fake.events] == [
        "payment_intent.created",
        "payment_intent.succeeded",
    ]
    assert fake.deliver(Endpoint(500, 200)) == [500, 200]
    assert fake.pending_events() == fake.events[:1]
    assert fake.deliver(Endpoint()) == [200]
    assert fake.deliver(Endpoint()) == []


def test_events_are_repeated_and_mixed(fake, provider):
    fake.pay(start(provider))
    endpoint = Endpoint()
    fake.deliver(endpoint, rng=random.Random(1), copies=20)
    assert {endpoint.bodies.count(each.body) for each in fake.events} == {20}
    assert endpoint.bodies[:20] != [fake.events[0].body] * 20


def test_lost_events_are_never_delivered(fake, provider):
    for number in range(20):
        start(provider, number)
    endpoint = Endpoint()
    fake.deliver(endpoint, rng=random.Random(1), lose=0.5)
    assert 0 < len(endpoint.bodies) < 20
    assert fake.pending_events() == []


def test_events_are_delivered_in_the_background_to_a_server(fake, provider):
    received = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):  # noqa: N802
            received.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(503 if len(received) == 1 else 200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        fake.deliver_in_background(f"http://127.0.0.1:{server.server_address[1]}")
        fake.pay(start(provider))
        eventually(lambda: not fake.pending_events() and len(received) >= 3)
        server.shutdown()
    assert {each.body for each in fake.events} == set(received)


def test_requests_fail_by_chance(fake, provider):
    fake.set_chances(random.Random(1), lose_answer=0.3, error=0.1)
    outcomes = []
    for number in range(30):
        try:
            outcomes.append(start(provider, number) is not None)
        except PaymentUnavailable:
            outcomes.append(None)
    assert len(fake.requests) > 35  # Some were repeated by the library.
    assert len(fake.intents()) >= outcomes.count(True) > 15
    fake.recover()
    assert start(provider, 99)


def test_the_journal_counts_what_has_moved(fake, provider):
    secret = start(provider)
    fake.pay(secret)
    with pytest.raises(NotPayable) as refused:
        fake.pay(secret)
    assert refused.value.status == "succeeded"
    intent_id = fake.intents()[0]["id"]
    fake.refund_by_hand(intent_id, 300)
    assert fake.journal == [("charge", intent_id, 1000), ("refund", intent_id, 300)]
    assert fake.money_of("b" * 24) == fake.money_of() == (1000, 300)
    assert fake.money_of("c" * 24) == (0, 0)


def test_it_can_go_down_and_recover_more_than_once(fake, provider):
    for number in range(3):
        fake.go_down()
        with pytest.raises(PaymentUnavailable):
            start(provider, number)
        fake.recover()
        assert start(provider, number)
    fake.go_down()


def test_nothing_is_left_of_it_at_the_end(fake):
    others = set(threading.enumerate())
    with FakeStripe() as another:
        assert set(threading.enumerate()) - others
    assert not {each for each in threading.enumerate() if each.name == "fake-stripe"} - others
    with FakeStripe():
        pass
    assert another.url != fake.url
