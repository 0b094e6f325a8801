"""Texts are sealed with a key for one purpose, and open only where they were sealed."""

import pytest

from eventapp.core.access.sealing import CannotOpen, Sealer

SECRET = "0123456789abcdef0123456789abcdef"
TEXT = "https://tickets.example/account/reset#token=ψ"


@pytest.fixture
def sealer():
    return Sealer(SECRET, "mails")


def test_a_sealed_text_opens_again_and_is_not_readable(sealer):
    sealed = sealer.seal(TEXT, "mail 1")
    assert TEXT.encode() not in sealed
    assert sealer.open(sealed, "mail 1") == TEXT
    assert Sealer(SECRET, "mails").open(sealed, "mail 1") == TEXT


def test_the_same_text_is_sealed_differently_each_time(sealer):
    assert sealer.seal(TEXT, "mail 1") != sealer.seal(TEXT, "mail 1")


@pytest.mark.parametrize(
    ("secret", "purpose", "context"),
    [
        (SECRET[::-1], "mails", "mail 1"),
        (SECRET, "webhooks", "mail 1"),
        (SECRET, "mails", "mail 2"),
    ],
)
def test_another_secret_purpose_or_context_does_not_open_it(sealer, secret, purpose, context):
    with pytest.raises(CannotOpen):
        Sealer(secret, purpose).open(sealer.seal(TEXT, "mail 1"), context)


@pytest.mark.parametrize("position", [0, 13, -1])
def test_a_changed_text_does_not_open(sealer, position):
    sealed = bytearray(sealer.seal(TEXT, "mail 1"))
    sealed[position] ^= 1
    with pytest.raises(CannotOpen):
        sealer.open(bytes(sealed), "mail 1")


@pytest.mark.parametrize("sealed", [b"", b"short", b"x" * 12])
def test_what_is_too_short_to_be_sealed_does_not_open(sealer, sealed):
    with pytest.raises(CannotOpen):
        sealer.open(sealed, "mail 1")
