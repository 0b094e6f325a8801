"""The provider for Stripe, by its official library and over HTTP against an imitation."""

import dataclasses
import json
import threading
import time
import traceback
from datetime import UTC, datetime, timedelta

import pytest
import stripe
import structlog

from eventapp.core.http.app_context import CONFIG
from eventapp.core.logging import configure_logging
from eventapp.payments import stripe as stripe_payments
from eventapp.payments.bounded_calls import BoundedCalls, CallTimedOut
from eventapp.payments.provider import (
    Attempt,
    InvalidEvent,
    PaymentRefused,
    PaymentUnavailable,
    ProviderEvent,
    ProviderPayment,
)
from eventapp.payments.stripe import StripePayments
from eventapp.payments.stripe_settings import StripeSettings
from tests.fake_stripe import CARD_FINGERPRINT, FakeStripe, NotPayable

ATTEMPT = Attempt("a1" * 12, "b1" * 12, 2500, "EUR", "Booking AB12CD")
KEY = "c1" * 12
NOW = datetime(2030, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0.01)
    with FakeStripe(clock=NOW.timestamp) as fake:
        yield fake


@pytest.fixture
def provider(fake):
    return open_provider(fake)


def open_provider(fake, **options):
    settings = StripeSettings(fake.secret_key, fake.webhook_secret, fake.url)
    return StripePayments(settings, **options)


def start(provider, attempt=ATTEMPT):
    """Create the payment of an attempt; return the attempt with its provider id."""
    return dataclasses.replace(attempt, provider_id=provider.create(attempt).provider_id)


def start_paid(fake, provider):
    attempt = start(provider)
    fake.pay(attempt.provider_id)
    return attempt


# Create.


def test_an_attempt_becomes_one_intent_that_names_its_booking(fake, provider):
    payment = provider.create(ATTEMPT)
    (intent,) = fake.intents()
    assert payment == ProviderPayment(intent["id"], "open", client_secret=intent["client_secret"])
    assert (intent["amount"], intent["currency"]) == (2500, "eur")
    assert intent["description"] == "Booking AB12CD"
    assert intent["metadata"] == {"attemptId": "a1" * 12, "bookingId": "b1" * 12}


def test_the_same_attempt_again_is_the_same_intent_as_it_is_now(fake, provider):
    first = provider.create(ATTEMPT)
    assert provider.create(ATTEMPT) == first
    fake.pay(first.client_secret)
    again = provider.create(ATTEMPT)  # Stripe repeats its first answer, which says "open".
    assert (again.status, again.cents, again.client_secret) == ("succeeded", 2500, None)
    assert len(fake.intents()) == 1


def test_parallel_calls_create_one_intent(fake, provider):
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(provider.create(ATTEMPT))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert {each.provider_id for each in found} == {fake.intents()[0]["id"]}


def test_another_amount_for_the_same_attempt_is_refused(fake, provider):
    provider.create(ATTEMPT)
    with pytest.raises(PaymentRefused) as refusal:
        provider.create(dataclasses.replace(ATTEMPT, cents=2600))
    assert refusal.value.reason == "idempotency_error"
    assert [each["amount"] for each in fake.intents()] == [2500]


def test_an_amount_that_stripe_refuses_is_refused_with_its_code(fake, provider):
    with pytest.raises(PaymentRefused) as refusal:
        provider.create(dataclasses.replace(ATTEMPT, cents=10))
    assert refusal.value.reason == "amount_too_small"


@pytest.mark.parametrize(
    ("currency", "cents", "amount"),
    [("JPY", 250000, 2500), ("KWD", 2500, 25000), ("EUR", 2500, 2500), ("ISK", 2500, 2500)],
)
def test_amounts_are_converted_to_the_units_of_the_currency(
    fake, provider, currency, cents, amount
):
    attempt = start(provider, dataclasses.replace(ATTEMPT, cents=cents, currency=currency))
    assert fake.intents()[0]["amount"] == amount
    fake.pay(attempt.provider_id)
    fake.fee_currency = currency.lower()
    payment = provider.fetch(attempt)
    assert payment.cents == cents
    assert payment.fee_cents == round((amount * 15 // 1000 + 25) * cents / amount)
    provider.refund(attempt, cents, KEY)
    assert fake.refunds()[0]["amount"] == amount


def test_a_fraction_of_a_unit_without_fractions_is_refused(fake, provider):
    with pytest.raises(PaymentRefused, match="invalid_amount"):
        provider.create(dataclasses.replace(ATTEMPT, cents=2550, currency="JPY"))
    assert fake.intents() == []


# Fetch.


def test_fetch_tells_each_status(fake, provider):
    attempt = start(provider)
    secret = fake.intents()[0]["client_secret"]
    assert provider.fetch(attempt) == ProviderPayment(
        attempt.provider_id, "open", client_secret=secret
    )
    fake.refuse(secret, "card_declined")
    refused = provider.fetch(attempt)
    assert (refused.status, refused.refusal) == ("refused", "card_declined")
    assert refused.client_secret == secret  # The buyer may try another card.
    fake.require_action(secret)
    assert provider.fetch(attempt) == ProviderPayment(
        attempt.provider_id, "open", client_secret=secret
    )
    fake.process(secret)
    assert provider.fetch(attempt) == ProviderPayment(attempt.provider_id, "processing")
    fake.pay(secret)
    assert provider.fetch(attempt) == ProviderPayment(
        attempt.provider_id, "succeeded", 2500, fee_cents=62
    )


def test_fetch_without_the_id_finds_or_creates_the_intent(fake, provider):
    created = provider.fetch(ATTEMPT)
    assert created.status == "open"
    fake.pay(created.client_secret)
    assert provider.fetch(ATTEMPT).status == "succeeded"
    assert len(fake.intents()) == 1


def test_the_fee_is_unknown_while_stripe_does_not_tell_it_or_in_another_currency(fake, provider):
    attempt = start_paid(fake, provider)
    fake.knows_fees = False
    assert provider.fetch(attempt).fee_cents is None
    fake.knows_fees, fake.fee_currency = True, "usd"
    assert provider.fetch(attempt).fee_cents is None
    fake.fee_currency = "eur"
    assert provider.fetch(attempt).fee_cents == 62


def test_an_intent_of_another_account_is_no_refusal(fake, provider):
    """After a change of the key, payments must not be taken for refused."""
    attempt = dataclasses.replace(ATTEMPT, provider_id="pi_other")
    for call in (provider.fetch, provider.cancel, lambda each: provider.refund(each, 100, KEY)):
        with pytest.raises(PaymentUnavailable):
            call(attempt)


# Cancel.


def test_a_cancelled_payment_cannot_be_paid(fake, provider):
    attempt = start(provider)
    assert provider.cancel(attempt) == ProviderPayment(attempt.provider_id, "cancelled")
    assert provider.cancel(attempt).status == "cancelled"
    with pytest.raises(NotPayable):
        fake.pay(attempt.provider_id)


def test_cancelling_a_payment_too_late_tells_what_became_of_it(fake, provider):
    attempt = start(provider)
    fake.process(attempt.provider_id)
    assert provider.cancel(attempt).status == "processing"
    fake.pay(attempt.provider_id)
    assert provider.cancel(attempt) == ProviderPayment(
        attempt.provider_id, "succeeded", 2500, fee_cents=62
    )


def test_cancelling_without_the_id_cancels_the_intent_that_was_created(fake, provider):
    fake.inject("lose_answer", "create", times=3)
    with pytest.raises(PaymentUnavailable):
        provider.create(ATTEMPT)
    assert provider.cancel(ATTEMPT).status == "cancelled"
    assert [each["status"] for each in fake.intents()] == ["canceled"]


def test_cancelling_what_stripe_refused_to_create_needs_no_intent(fake, provider):
    payment = provider.cancel(dataclasses.replace(ATTEMPT, cents=10))
    assert payment == ProviderPayment("", "cancelled")


def test_a_payment_that_fails_while_it_is_cancelled_is_unknown(fake, provider, monkeypatch):
    attempt = start(provider)
    fake.process(attempt.provider_id)
    retrieve = provider._retrieve

    def fail_then_retrieve(intent_id):
        fake.refuse(intent_id)
        return retrieve(intent_id)

    monkeypatch.setattr(provider, "_retrieve", fail_then_retrieve)
    with pytest.raises(PaymentUnavailable):
        provider.cancel(attempt)
    assert provider.cancel(attempt).status == "cancelled"


# Refund.


def test_a_refund_is_made_once_for_each_key(fake, provider):
    attempt = start_paid(fake, provider)
    refund_id = provider.refund(attempt, 500, KEY)
    assert provider.refund(attempt, 500, KEY) == refund_id
    assert provider.refund(attempt, 500, "other") != refund_id
    assert fake.money_of(ATTEMPT.booking_id) == (2500, 1000)
    metadata = {"bookingId": "b1" * 12, "attemptId": "a1" * 12, "refundKey": KEY}
    assert fake.refunds(KEY)[0]["metadata"] == metadata


def test_a_refund_is_made_once_although_stripe_has_forgotten_its_key(fake, provider):
    attempt = start_paid(fake, provider)
    refund_id = provider.refund(attempt, 500, KEY)
    fake.prune_keys()
    assert provider.refund(attempt, 500, KEY) == refund_id
    assert fake.money_of() == (2500, 500)


def test_control_without_the_search_a_forgotten_key_refunds_twice(fake, provider, monkeypatch):
    attempt = start_paid(fake, provider)
    monkeypatch.setattr(provider, "_find_refunds", lambda *_: [])
    provider.refund(attempt, 500, KEY)
    fake.prune_keys()
    provider.refund(attempt, 500, KEY)
    assert fake.money_of() == (2500, 1000)


def test_a_refund_is_found_among_more_than_a_page_of_others(fake, provider, monkeypatch):
    monkeypatch.setattr(stripe_payments, "MAX_REFUNDS_IN_PAGE", 2)
    attempt = start_paid(fake, provider)
    refund_id = provider.refund(attempt, 100, KEY)
    for number in range(4):
        fake.refund_by_hand(attempt.provider_id, 100 + number)
    fake.prune_keys()
    assert provider.refund(attempt, 100, KEY) == refund_id


def test_parallel_calls_make_one_refund(fake, provider):
    attempt = start_paid(fake, provider)
    threads = [threading.Thread(target=provider.refund, args=(attempt, 500, KEY)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert fake.money_of() == (2500, 500)


def test_a_refund_whose_answer_was_lost_is_made_once(fake, provider):
    attempt = start_paid(fake, provider)
    fake.inject("lose_answer", "refund", times=3)
    with pytest.raises(PaymentUnavailable):
        provider.refund(attempt, 500, KEY)
    (refund,) = fake.refunds(KEY)
    assert provider.refund(attempt, 500, KEY) == refund["id"]
    assert fake.money_of() == (2500, 500)


def test_a_pending_refund_counts_as_made(fake, provider):
    attempt = start_paid(fake, provider)
    fake.refund_status = "pending"
    refund_id = provider.refund(attempt, 500, KEY)
    fake.prune_keys()
    assert provider.refund(attempt, 500, KEY) == refund_id


def test_a_refund_that_fails_is_refused_and_can_be_tried_again(fake, provider):
    attempt = start_paid(fake, provider)
    fake.refund_status = "failed"
    with pytest.raises(PaymentRefused) as refusal:
        provider.refund(attempt, 500, KEY)
    assert refusal.value.reason == "declined"
    assert fake.money_of() == (2500, 0)
    fake.refund_status = "succeeded"
    refund_id = provider.refund(attempt, 500, KEY)
    assert provider.refund(attempt, 500, KEY) == refund_id
    fake.fail_refund(KEY)
    assert fake.money_of() == (2500, 0)
    assert provider.refund(attempt, 500, KEY) != refund_id
    assert fake.money_of() == (2500, 500)


@pytest.mark.parametrize(
    ("refunded_before", "code"), [(2500, "charge_already_refunded"), (2400, "invalid_request")]
)
def test_more_than_is_left_is_refused(fake, provider, refunded_before, code):
    attempt = start_paid(fake, provider)
    fake.refund_by_hand(attempt.provider_id, refunded_before)
    with pytest.raises(PaymentRefused) as refusal:
        provider.refund(attempt, 500, KEY)
    assert refusal.value.reason == code


def test_a_refund_without_the_id_of_the_payment_finds_it(fake, provider):
    start_paid(fake, provider)
    provider.refund(ATTEMPT, 500, KEY)
    assert fake.money_of() == (2500, 500)


# Errors.


@pytest.mark.parametrize(
    ("status", "code", "failure"),
    [
        (400, "parameter_missing", PaymentRefused),
        (402, "card_declined", PaymentRefused),
        (400, "rate_limit", PaymentUnavailable),
        (401, None, PaymentUnavailable),
        (403, None, PaymentUnavailable),
        (404, "resource_missing", PaymentUnavailable),
        (409, "idempotency_key_in_use", PaymentUnavailable),
        (429, "lock_timeout", PaymentUnavailable),
        (500, None, PaymentUnavailable),
        (503, None, PaymentUnavailable),
        (302, None, PaymentUnavailable),
    ],
)
def test_each_error_says_whether_the_outcome_is_known(fake, provider, status, code, failure):
    fake.inject("error", "create", times=9, status=status, code=code)
    with pytest.raises(failure) as raised:
        provider.create(ATTEMPT)
    if failure is PaymentRefused:
        assert raised.value.reason == code


@pytest.mark.parametrize("status", [400, 402])
def test_a_refusal_to_tell_or_to_cancel_says_nothing_of_the_money(fake, provider, status):
    attempt = start_paid(fake, provider)
    fake.inject("error", times=9, status=status, code="odd")
    for call in (provider.fetch, provider.cancel, lambda each: provider.refund(each, 100, KEY)):
        with pytest.raises(PaymentUnavailable):
            call(attempt)


@pytest.mark.parametrize("kind", ["lose_request", "lose_answer", "garbage", "error_after"])
def test_a_broken_answer_leaves_the_outcome_unknown(fake, provider, kind):
    fake.inject(kind, "create", times=9)
    with pytest.raises(PaymentUnavailable):
        provider.create(ATTEMPT)
    assert len(fake.intents()) == (0 if kind == "lose_request" else 1)


@pytest.mark.parametrize("kind", ["lose_request", "lose_answer", "error"])
def test_one_lost_request_is_repeated_by_the_same_call(fake, provider, kind):
    fake.inject(kind, "create")
    assert provider.create(ATTEMPT).status == "open"
    assert fake.requests.count("create") == 2
    assert len(fake.intents()) == 1


def test_a_server_that_is_down_does_not_answer(fake, provider):
    attempt = start(provider)
    fake.go_down()
    with pytest.raises(PaymentUnavailable):
        provider.fetch(attempt)
    fake.recover()
    assert provider.fetch(attempt).status == "open"


def test_a_wrong_key_is_the_fault_of_the_operator(fake):
    settings = StripeSettings("sk_test_wrong0123", fake.webhook_secret, fake.url)
    with pytest.raises(PaymentUnavailable, match="AuthenticationError"):
        StripePayments(settings).create(ATTEMPT)


def test_an_unknown_status_is_unknown(fake, provider):
    attempt = start(provider)
    fake._intents[attempt.provider_id]["status"] = "new_status"
    with pytest.raises(PaymentUnavailable):
        provider.fetch(attempt)


# Time.


@pytest.mark.parametrize("kind", ["hang", "drip"])
@pytest.mark.parametrize("method", ["create", "fetch", "cancel", "refund"])
def test_every_method_ends_in_time(fake, provider, kind, method):
    attempt = start_paid(fake, provider)
    fake.inject(kind, times=9, seconds=0.05 if kind == "drip" else 9)
    call = getattr(open_provider(fake, timeout_seconds=0.3), method)
    arguments = (500, KEY) if method == "refund" else ()
    started = time.monotonic()
    with pytest.raises(PaymentUnavailable):
        call(attempt, *arguments)
    assert time.monotonic() - started < 0.3 + 0.4  # A busy machine may take a while.


def test_the_limits_leave_time_for_a_second_request():
    limit = stripe_payments.TIMEOUT_SECONDS - stripe_payments.MARGIN_SECONDS
    first = stripe_payments.READ_SECONDS + stripe.HTTPClient.INITIAL_DELAY
    assert first + stripe_payments.READ_SECONDS <= limit


def test_an_abandoned_call_makes_no_further_request(fake, provider):
    attempt = start_paid(fake, provider)
    fake.inject("delay", "list_refunds", seconds=0.5)
    with pytest.raises(PaymentUnavailable):
        open_provider(fake, timeout_seconds=0.2).refund(attempt, 500, KEY)
    time.sleep(0.5)
    assert fake.money_of() == (2500, 0)


def test_bounded_calls_return_and_raise_what_the_call_does():
    calls = BoundedCalls(5)
    assert calls.run(lambda: 7) == 7
    assert 4 < calls.run(calls.get_seconds_left) <= 5
    with pytest.raises(TimeoutError):  # It is the call's own error, not its limit.
        calls.run(raise_timeout)
    release = threading.Event()
    with pytest.raises(CallTimedOut):
        BoundedCalls(0.05).run(release.wait)
    release.set()


def raise_timeout():
    raise TimeoutError


# Events.


def read(fake, provider, event, **changes):
    arguments = {"body": event.body, "headers": fake.sign(event.body), "now": NOW, **changes}
    return provider.read_event(**arguments)


def find_events(fake, kind):
    return [each for each in fake.events if each.type == kind]


def test_events_tell_what_became_of_a_payment(fake, provider):
    secret = provider.create(ATTEMPT).client_secret
    provider_id = fake.intents()[0]["id"]
    fake.refuse(secret, "card_declined")
    fake.require_action(secret)
    fake.process(secret)
    fake.pay(secret)
    expected = {
        "payment_intent.payment_failed": ProviderPayment(
            provider_id, "refused", refusal="card_declined"
        ),
        "payment_intent.requires_action": ProviderPayment(provider_id, "open"),
        "payment_intent.processing": ProviderPayment(provider_id, "processing"),
        "payment_intent.succeeded": ProviderPayment(provider_id, "succeeded", 2500),
    }
    for kind, payment in expected.items():
        (event,) = find_events(fake, kind)
        assert read(fake, provider, event) == ProviderEvent(
            event.id, ATTEMPT.booking_id, ATTEMPT.attempt_id, payment
        )


def test_an_event_tells_of_a_cancelled_payment(fake, provider):
    attempt = start(provider)
    provider.cancel(attempt)
    (event,) = find_events(fake, "payment_intent.canceled")
    assert read(fake, provider, event).payment == ProviderPayment(attempt.provider_id, "cancelled")


def test_events_tell_of_a_refund_that_has_failed(fake, provider):
    attempt = start_paid(fake, provider)
    fake.refund_status = "pending"
    provider.refund(attempt, 500, KEY)
    provider.refund(attempt, 100, "other")
    fake.fail_refund(KEY)
    fake.settle_refund("other")
    for kind in ("refund.failed", "charge.refund.updated"):
        event, *later = find_events(fake, kind)
        assert read(fake, provider, event) == ProviderEvent(
            event.id, ATTEMPT.booking_id, ATTEMPT.attempt_id, failed_refund_key=KEY
        )
        # The other refund has succeeded.
        assert [read(fake, provider, each).failed_refund_key for each in later] in ([], [None])


def test_other_events_concern_nothing(fake, provider):
    attempt = start_paid(fake, provider)
    provider.refund(attempt, 500, KEY)
    for kind in ("payment_intent.created", "refund.created"):
        (event,) = find_events(fake, kind)
        assert read(fake, provider, event) == ProviderEvent(event.id)


@pytest.mark.parametrize("metadata", [{}, None, {"bookingId": 7, "attemptId": "x"}])
def test_events_of_other_applications_on_the_account_concern_nothing(fake, provider, metadata):
    intent = {"id": "pi_1", "object": "payment_intent", "metadata": metadata}
    event = {"id": "evt_1", "type": "payment_intent.succeeded", "data": {"object": intent}}
    body = json.dumps(event).encode()
    found = provider.read_event(body, fake.sign(body), NOW)
    assert found == ProviderEvent("evt_1")


def test_a_signature_counts_for_300_s_before_and_after(fake, provider):
    start_paid(fake, provider)
    event = fake.events[-1]
    for seconds in (-300, 0, 300):
        assert read(fake, provider, event, now=NOW + timedelta(seconds=seconds)).payment
    for seconds in (-301, 301, 86400):
        with pytest.raises(InvalidEvent, match="another time"):
            read(fake, provider, event, now=NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize("name", ["Stripe-Signature", "stripe-signature", "STRIPE-SIGNATURE"])
def test_the_name_of_the_header_has_any_case(fake, provider, name):
    start_paid(fake, provider)
    body = fake.events[-1].body
    headers = {"Host": "x", name: fake.sign(body)["Stripe-Signature"]}
    assert provider.read_event(body, headers, NOW).payment


def test_an_event_of_another_secret_body_or_form_is_invalid(fake, provider):
    start_paid(fake, provider)
    body = fake.events[-1].body
    valid = fake.sign(body)["Stripe-Signature"]
    time_part, signature = valid.split(",")
    faults = [
        (body, fake.sign(body, secret="whsec_other")["Stripe-Signature"]),
        (body.replace(b"2500", b"2600"), valid),
        (body + b" ", valid),
        (body, ""),
        (body, time_part),
        (body, signature),
        (body, valid.replace("v1=", "v0=")),
        (body, f"{time_part},v1="),
        (body, f"{time_part},v1=é"),
        (body, f"t=,{signature}"),
        (body, f"t={'9' * 5000},{signature}"),
        (body, "t=1=2,v1=3"),
        (body, "\x00" * 100),
        (b"\xff\xfe" + body, valid),
        (b"", valid),
    ]
    for changed_body, header in faults:
        with pytest.raises(InvalidEvent):
            provider.read_event(changed_body, {"Stripe-Signature": header}, NOW)
    assert provider.read_event(body, {"Stripe-Signature": valid}, NOW).payment


@pytest.mark.parametrize("rolled", ["{old},{new}", "{new},{old}"])
def test_a_signature_by_a_new_secret_counts_beside_the_old_one(fake, provider, rolled):
    start_paid(fake, provider)
    body = fake.events[-1].body
    new = fake.sign(body)["Stripe-Signature"].split(",")
    old = fake.sign(body, secret="whsec_old")["Stripe-Signature"].split(",")
    header = new[0] + "," + rolled.format(old=old[1], new=new[1])
    assert provider.read_event(body, {"Stripe-Signature": header}, NOW).payment


@pytest.mark.parametrize(
    "body",
    [
        b"not json",
        b"[]",
        b"null",
        b"{}",
        b'{"id": "evt_1", "type": "payment_intent.succeeded", "data": null}',
        b'{"id": "evt_1", "type": ["x"], "data": {"object": {}}}',
        b'{"id": "evt_1", "type": "refund.failed", "data": {"object": [1]}}',
        b'{"id": "evt_1", "type": "payment_intent.succeeded", "data": {"object": {"metadata": '
        b'{"bookingId": "b1b1b1b1b1b1b1b1b1b1b1b1", "attemptId": "b1b1b1b1b1b1b1b1b1b1b1b1"}}}}',
    ],
)
def test_a_signed_body_of_another_form_is_invalid(fake, provider, body):
    with pytest.raises(InvalidEvent, match="unknown form"):
        provider.read_event(body, fake.sign(body), NOW)


# Secrets.


def list_secrets(fake):
    intents = [each["client_secret"] for each in fake.intents()]
    return [fake.secret_key, fake.webhook_secret, *intents, CARD_FINGERPRINT]


@pytest.fixture
def _logs_everything(app):
    """Log as much as LOG_LEVEL can ask for."""
    config = CONFIG.get(app)
    configure_logging(dataclasses.replace(config, log_level="debug", log_format="json"))
    yield
    configure_logging(config)


@pytest.mark.usefixtures("_logs_everything")
@pytest.mark.parametrize("kind", ["error", "error_after", "garbage", "hang"])
def test_no_secret_is_in_a_log_line_or_an_error(fake, capsys, kind):
    provider = open_provider(fake)
    attempt = start(provider)
    fake.refuse(attempt.provider_id)
    texts = [repr(provider), repr(provider.fetch(attempt))]
    provider._calls.seconds = 0.2
    fake.inject(kind, times=99, seconds=2, status=402, code="card_declined")
    calls = {
        "create": lambda: provider.create(dataclasses.replace(ATTEMPT, attempt_id="d" * 24)),
        "fetch": lambda: provider.fetch(attempt),
        "cancel": lambda: provider.cancel(attempt),
        "refund": lambda: provider.refund(attempt, 100, KEY),
    }
    for call in calls.values():
        with pytest.raises((PaymentRefused, PaymentUnavailable)) as raised:
            call()
        error = raised.value
        assert error.__cause__ is None
        assert error.__context__ is None
        texts += [repr(error), str(error), *traceback.format_exception(error)]
        structlog.get_logger().error("failed", exc_info=error)
    texts.append(capsys.readouterr().err)
    assert "payment provider" in texts[-1]
    for secret in list_secrets(fake):
        assert all(secret not in text for text in texts), secret


def test_no_secret_is_in_the_error_of_an_invalid_event(fake, provider):
    start_paid(fake, provider)
    body = fake.events[-1].body
    for headers in ({}, {"Stripe-Signature": "t=1,v1=2"}):
        with pytest.raises(InvalidEvent) as raised:
            provider.read_event(body, headers, NOW)
        assert raised.value.__context__ is None
        texts = [repr(raised.value), *traceback.format_exception(raised.value)]
        for secret in list_secrets(fake):
            assert all(secret not in text for text in texts)


def test_a_netrc_file_does_not_replace_the_key(fake, provider, tmp_path, monkeypatch):
    file = tmp_path / "netrc"
    file.write_text("default login someone password hidden")
    monkeypatch.setenv("NETRC", str(file))
    assert provider.create(ATTEMPT).status == "open"


def test_the_settings_show_no_secret(fake):
    settings = StripeSettings(fake.secret_key, fake.webhook_secret, fake.url)
    assert all(secret not in repr(settings) for secret in list_secrets(fake))


def test_the_library_sends_no_telemetry():
    assert stripe.enable_telemetry is False


@pytest.mark.parametrize(
    ("key", "is_test"),
    [("sk_test_1", True), ("rk_test_1", True), ("sk_live_1", False), ("rk_live__test_", False)],
)
def test_the_key_says_whether_money_moves(key, is_test):
    assert StripeSettings(key, "whsec_1", "https://api.stripe.com").is_test is is_test
