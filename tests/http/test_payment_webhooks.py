"""Events of Stripe at the webhook's address: believed if signed, applied once, never logged."""

import dataclasses
import json
import random
import time

import pytest
import stripe
from pymongo.errors import AutoReconnect

from eventapp.bookings.payments import events
from eventapp.core.access import rate_limits
from eventapp.core.http.app_context import CONFIG
from eventapp.core.logging import configure_logging
from eventapp.payments import store_events
from eventapp.payments.webhooks import MAX_EVENT_BYTES
from tests import factories
from tests.fake_stripe import CARD_FINGERPRINT, WEBHOOK_PATH, Event, FakeStripe

PRICE_CENTS = 2000  # of an event that `make_event` makes


@pytest.fixture(scope="module")
def account():
    with FakeStripe() as account:
        yield account


@pytest.fixture(scope="module")
def app(make_app, account):
    return make_app(PAYMENT_PROVIDER="stripe", **account.settings)


@pytest.fixture
def fake(account, monkeypatch):
    """The account that the application uses, without payments of earlier tests."""
    monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0.01)
    account.forget()
    account.recover()
    return account


@pytest.fixture
def booking(db, fake, ann):
    """A booking of Ann that is not paid yet."""
    return ann.book(factories.make_event(db)["eventId"])


@pytest.fixture
def paid(fake, booking):
    """A booking that is paid at Stripe, which has not told the application yet."""
    fake.pay(booking["payment"]["clientSecret"])
    return booking


def find_event(fake, kind="payment_intent.succeeded"):
    return next(each for each in fake.events if each.type == kind)


def show(ann, booking):
    return ann.get(f"/bookings/{booking['_id']}").json["data"]["booking"]


def post(client, body, headers, path=WEBHOOK_PATH):
    return client.post(path, data=body, headers=headers)


def assert_nothing_changed(db, ann, booking):
    assert show(ann, booking)["status"] == "held"
    assert db.paymentEvents.count_documents({}) == 0


def test_a_booking_is_confirmed_by_the_event_of_its_payment(fake, client, ann, paid):
    assert show(ann, paid)["status"] == "held"
    answer = post(client, find_event(fake).body, fake.sign(find_event(fake).body))
    assert (answer.status_code, answer.json) == (200, {"received": True})
    assert show(ann, paid)["status"] == "confirmed"
    assert fake.money_of(paid["_id"]) == (PRICE_CENTS, 0)


def test_events_may_be_repeated_and_in_any_order(fake, client, ann, booking, db):
    secret = booking["payment"]["clientSecret"]
    fake.refuse(secret)
    fake.require_action(secret)
    fake.process(secret)
    fake.pay(secret)
    answers = fake.deliver(client, rng=random.Random(7), copies=5)
    assert set(answers) == {200}
    assert show(ann, booking)["status"] == "confirmed"
    assert fake.money_of(booking["_id"]) == (PRICE_CENTS, 0)
    assert db.paymentEvents.count_documents({}) == 4
    assert fake.pending_events() == []


def test_a_replay_changes_nothing(fake, client, ann, paid):
    event = find_event(fake)
    headers = fake.sign(event.body)
    assert post(client, event.body, headers).status_code == 200
    before = show(ann, paid)
    assert post(client, event.body, headers).status_code == 200
    assert show(ann, paid) == before


@pytest.mark.parametrize("seconds", [-10_000, -301 - 60, 301 + 60, 10_000])
def test_an_event_that_was_signed_at_another_time_is_refused(fake, client, ann, paid, db, seconds):
    body = find_event(fake).body
    answer = post(client, body, fake.sign(body, at=time.time() + seconds))
    assert (answer.status_code, answer.json["code"]) == (400, "invalid_event")
    assert_nothing_changed(db, ann, paid)


def make_forgeries(fake, body):
    """Return bodies and headers that must not be believed."""
    headers = fake.sign(body)
    signature = headers["Stripe-Signature"]
    now = int(time.time())
    yield body, fake.sign(body, secret="whsec_other")
    yield body, fake.sign(body, secret=fake.secret_key)
    yield body.replace(b"succeeded", b"processing"), headers
    yield body + b"\n", headers
    yield b"", headers
    yield b"{}", headers
    yield b"not json", headers
    yield b"\xff" * 100, headers
    yield body, {}
    for forged in ("", "garbage", "t=,v1=", f"t={now}", f"t={now},v1=", f"t={now},v0=abc"):
        yield body, {"Stripe-Signature": forged}
    yield body, {"Stripe-Signature": signature.replace("v1=", "v1=0")}
    yield body, {"Stripe-Signature": signature.replace("t=", "t=1")}
    yield body, {"Stripe-Signature": f"t={now},v1=\xe9\xe9"}
    yield body, {"Stripe-Signature": "t=1," * 2000}
    yield body, {"Authorization": f"Bearer {fake.secret_key}"}


def test_a_forged_event_is_refused_and_changes_nothing(fake, client, ann, paid, db):
    for body, headers in make_forgeries(fake, find_event(fake).body):
        answer = post(client, body, headers)
        assert (answer.status_code, answer.json["code"]) == (400, "invalid_event"), headers
    assert_nothing_changed(db, ann, paid)


def test_a_huge_body_is_refused_unread(fake, client, ann, paid, db):
    body = b" " * (MAX_EVENT_BYTES + 1)
    answer = post(client, body, fake.sign(body))
    assert (answer.status_code, answer.json["code"]) == (413, "too_large")
    assert_nothing_changed(db, ann, paid)


def test_an_event_of_the_greatest_size_is_accepted(fake, client, ann, paid):
    body = find_event(fake).body
    body += b" " * (MAX_EVENT_BYTES - len(body))
    assert post(client, body, fake.sign(body)).status_code == 200
    assert show(ann, paid)["status"] == "confirmed"


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "", "multipart/x"])
def test_the_media_type_and_a_token_do_not_matter(fake, client, ann, paid, content_type):
    body = find_event(fake).body
    headers = {**fake.sign(body), "Content-Type": content_type, "Authorization": "Bearer a.b.c"}
    assert post(client, body, headers).status_code == 200
    assert show(ann, paid)["status"] == "confirmed"


@pytest.mark.parametrize("name", ["mock", "legacy", "paypal", "STRIPE", "$where"])
def test_only_a_provider_that_sends_events_has_an_address(fake, client, paid, name):
    body = find_event(fake).body
    answer = post(client, body, fake.sign(body), f"/api/payments/webhooks/{name}")
    assert (answer.status_code, answer.json["code"]) == (404, "provider_not_found")


def test_events_of_other_applications_on_the_account_are_ignored(fake, client, db):
    for metadata in ({}, {"bookingId": "0" * 24, "attemptId": "0" * 24}):
        reported = {"id": "pi_x", "status": "succeeded", "amount_received": 1, "currency": "eur"}
        event = {"id": "evt_x", "type": "payment_intent.succeeded"}
        event["data"] = {"object": {**reported, "metadata": metadata}}
        body = json.dumps(event).encode()
        assert fake.send(client, Event("evt_x", event["type"], body)) == 200


def test_an_event_is_delivered_again_after_the_database_was_away(
    fake, client, ann, paid, monkeypatch
):
    def fail(*_):
        raise AutoReconnect("connection closed")

    event = find_event(fake)
    for name in ("was_processed", "record_processed"):
        with monkeypatch.context() as patch:
            patch.setattr(store_events, name, fail)
            answer = post(client, event.body, fake.sign(event.body))
        assert (answer.status_code, answer.json["code"]) == (503, "database_unavailable")
        assert answer.headers["Retry-After"]
    assert fake.send(client, event) == 200
    assert show(ann, paid)["status"] == "confirmed"
    assert fake.money_of(paid["_id"]) == (PRICE_CENTS, 0)


@pytest.fixture
def _logs_everything(app):
    config = CONFIG.get(app)
    configure_logging(dataclasses.replace(config, log_level="debug", log_format="json"))
    yield
    configure_logging(config)


@pytest.mark.usefixtures("_logs_everything")
def test_nothing_secret_is_in_a_log_line(fake, client, ann, booking, monkeypatch, capsys):
    secret = booking["payment"]["clientSecret"]
    fake.refuse(secret)
    fake.pay(secret)
    event = find_event(fake)

    def fail(*_):
        raise RuntimeError("a fault of the program")

    with monkeypatch.context() as patch:
        patch.setattr(events, "apply_event", fail)
        assert fake.send(client, event) == 500
    for body, headers in make_forgeries(fake, event.body):
        post(client, body, headers)
    assert set(fake.deliver(client)) == {200}
    log = capsys.readouterr().err
    assert "a fault of the program" in log
    assert "payment event refused" in log
    assert "payment event processed" in log
    signature = fake.sign(event.body)["Stripe-Signature"].partition("v1=")[2]
    tail = secret.partition("_secret_")[2]
    secrets = (fake.secret_key, fake.webhook_secret, tail, CARD_FINGERPRINT, signature)
    for each in (*secrets, '\\"object\\"', "latest_charge"):
        assert each not in log


def test_the_client_secret_and_the_keys_are_stored_nowhere(fake, client, ann, paid, db):
    fake.deliver(client)
    stored = repr([list(db[name].find()) for name in db.list_collection_names()])
    assert paid["_id"] in stored
    tail = paid["payment"]["clientSecret"].partition("_secret_")[2]
    for secret in (tail, fake.secret_key, fake.webhook_secret, CARD_FINGERPRINT):
        assert secret not in stored


def test_signed_events_are_never_limited_and_forged_ones_are(make_app, fake):
    app = make_app(
        **{"PAYMENT_PROVIDER": "stripe", **fake.settings},
        RATE_LIMIT_ENABLED="true",
        RATE_LIMIT_MAX_REQUESTS="40",
    )
    client = app.test_client()
    limit = rate_limits.derive_limits(40)[rate_limits.GUESSES]
    body = json.dumps({"id": "evt_1", "type": "other", "data": {"object": {}}}).encode()
    for _ in range(50):
        answer = post(client, body, fake.sign(body))
        assert answer.status_code == 200
        assert "RateLimit-Limit" not in answer.headers
    statuses = [post(client, body, {}).status_code for _ in range(limit + 1)]
    assert statuses == [400] * limit + [429]
    assert post(client, body, fake.sign(body)).status_code == 200


LIVE_KEY = "sk_live_fakeKey0123456789"
PRODUCTION = {
    "APP_ENV": "production",
    "JWT_SECRET": "0123456789abcdefghijABCDEFGHIJ-_xyz",
    "PUBLIC_BASE_URL": "https://tickets.example.org",
}


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        (PRODUCTION, "test mode: no money moves"),
        ({"STRIPE_SECRET_KEY": LIVE_KEY}, "live mode: real money moves"),
        ({**PRODUCTION, "STRIPE_SECRET_KEY": LIVE_KEY}, None),
        ({}, None),
        ({"PAYMENT_PROVIDER": "mock", "STRIPE_SECRET_KEY": LIVE_KEY}, None),
    ],
)
def test_a_key_of_an_unexpected_mode_is_warned_of(make_app, fake, capsys, changes, warning):
    given = {"PAYMENT_PROVIDER": "stripe", **fake.settings, "LOG_LEVEL": "warning"}
    make_app(**{**given, **changes})
    log = capsys.readouterr().err
    assert ("STRIPE_SECRET_KEY" in log) == (warning is not None)
    assert warning is None or warning in log
    assert LIVE_KEY not in log
