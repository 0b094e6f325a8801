"""The key of a link is good for one booking, one holder and their present versions."""

import re
from dataclasses import replace

import pytest
from bson import ObjectId

from eventapp.core.access.booking_links import BookingLink, LinkKeys
from eventapp.core.access.sealing import Sealer, derive_key
from eventapp.core.logging import redact_secrets

SECRET = "0123456789abcdef0123456789abcdef"
LINK = BookingLink(ObjectId(), ObjectId(), 0, 0)
OTHERS = {
    "booking_id": ObjectId(),
    "user_id": ObjectId(),
    "link_version": 1,
    "credentials_version": 1,
}


@pytest.fixture
def keys():
    return LinkKeys(SECRET)


def test_a_key_has_256_bits_and_is_the_same_each_time(keys):
    key = keys.make(LINK)
    assert re.fullmatch(r"lnk_[\w-]{43}", key)
    assert key == LinkKeys(SECRET).make(LINK)
    assert keys.is_key(key, LINK)


@pytest.mark.parametrize("name", OTHERS)
def test_each_field_of_a_link_changes_its_key(keys, name):
    other = replace(LINK, **{name: OTHERS[name]})
    assert keys.make(other) != keys.make(LINK)
    assert not keys.is_key(keys.make(LINK), other)


def test_versions_are_not_taken_for_each_other(keys):
    assert keys.make(replace(LINK, link_version=1)) != keys.make(
        replace(LINK, credentials_version=1)
    )


@pytest.mark.parametrize("text", ["", "lnk_", "ψ", "lnk_" + "A" * 43, "x" * 5000])
def test_another_text_is_no_key(keys, text):
    assert not keys.is_key(text, LINK)


def test_another_secret_makes_other_keys(keys):
    assert LinkKeys(SECRET[::-1]).make(LINK) != keys.make(LINK)


def test_the_key_of_the_keys_is_for_them_alone():
    made = [derive_key(SECRET, purpose) for purpose in ("booking link key", "seal: mails")]
    assert len(set(made)) == 2
    # What was sealed before keys were derived by this function opens still.
    sealed = Sealer(SECRET, "mails").seal("text", "mail 1")
    assert Sealer(SECRET, "mails").open(sealed, "mail 1") == "text"


def test_a_log_hides_keys(keys):
    key = keys.make(LINK)
    line = redact_secrets(None, "info", {"url": f"/b/EVT-ABCDEF?key={key}", "other": [key]})
    assert key[4:] not in str(line)
    assert "/b/EVT-ABCDEF?key=" in line["url"]
