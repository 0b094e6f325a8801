"""Receivers verify signatures with the library of Standard Webhooks."""

import base64
import time

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from eventapp.webhooks.signatures import make_secret, sign

BODY = '{"type":"booking.confirmed","data":{"name":"Ζωή"}}'.encode()


def test_the_library_verifies_a_signature():
    secret = make_secret()
    headers = sign([secret], "msg_1", int(time.time()), BODY)
    assert Webhook(secret).verify(BODY, headers)["data"] == {"name": "Ζωή"}


def test_both_secrets_verify_during_a_rotation():
    old, new = make_secret(), make_secret()
    headers = sign([new, old], "msg_1", int(time.time()), BODY)
    assert Webhook(old).verify(BODY, headers) == Webhook(new).verify(BODY, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(make_secret()).verify(BODY, headers)


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "msg_2"},
        {"webhook-timestamp": str(int(time.time()) + 60)},
        {"webhook-signature": "v1," + base64.b64encode(bytes(32)).decode()},
    ],
)
def test_a_changed_header_is_found(change):
    secret = make_secret()
    headers = sign([secret], "msg_1", int(time.time()), BODY) | change
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY, headers)


def test_a_changed_body_is_found():
    secret = make_secret()
    headers = sign([secret], "msg_1", int(time.time()), BODY)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY + b" ", headers)


def test_the_example_of_the_specification_has_its_signature():
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'
    assert sign([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body) == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_secrets_are_random_and_as_long_as_the_specification_asks():
    secrets = [make_secret() for _ in range(20)]
    assert len(set(secrets)) == 20
    for secret in secrets:
        assert secret.startswith("whsec_")
        assert 24 <= len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) <= 64
