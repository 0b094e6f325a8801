"""Rules of accounts: valid fields, honest retries, waits after failures, passwords, limits."""

from datetime import UTC, datetime, timedelta

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventapp.accounts import rules
from eventapp.accounts.login_back_off import (
    BY_ACCOUNT,
    BY_ACCOUNT_AND_ADDRESS,
    BY_ADDRESS,
    make_record_ids,
)
from eventapp.core.access.emails import find_email_error
from eventapp.core.access.passwords import (
    find_password_error,
    hash_password,
    needs_rehash,
    verify_password,
)
from eventapp.core.access.rate_limits import derive_limits, find_client_network
from eventapp.core.textsearch import fold_account_name

NOW = datetime(2026, 5, 20, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize("name", ["A", "x" * 100, "Γιώργος Π.", "O'Neil", "李雷"])
def test_a_valid_name_is_accepted(name):
    assert rules.find_name_error(name) is None


@pytest.mark.parametrize("name", ["", "x" * 101, "a\0b", "a\nb", "\u200b\0", "a\x7fb"])
def test_an_invalid_name_is_refused(name):
    assert rules.find_name_error(name)


@pytest.mark.parametrize("email", ["a@b.cd", "first.last+tag@mail.example.org", "ü@bücher.example"])
def test_a_valid_email_is_accepted(email):
    assert find_email_error(email) is None


@pytest.mark.parametrize(
    "email",
    [
        "",
        "a",
        "a@b",
        "@b.cd",
        "a@",
        "a b@c.de",
        "a@b@c.de",
        "a@b..cd",
        "a@.cd",
        "a@b.cd.",
        "<a@b.cd>",
        "a@b.cd*",
        "a@b_c.de",
        "a@b.c\ufeffd",
    ]
    + ["a\0@b.cd", "a@b.cd\n", "a" * 250 + "@b.cd"],
)
def test_an_invalid_email_is_refused(email):
    assert find_email_error(email)


@pytest.mark.parametrize(
    ("password", "min_length", "valid"),
    [
        ("12345678", 8, True),
        ("1234567", 8, False),
        ("123456", 6, True),
        ("12345", 6, False),
        ("x" * 72, 8, True),
        ("x" * 73, 8, False),
        ("ä" * 36, 8, True),
        ("ä" * 37, 8, False),
        ("12345678\0", 8, False),
        ("        ", 8, True),
        ("a\u0308" * 8, 8, True),
        ("a\u0308" * 7, 8, False),
        ("a\u0308" * 36, 8, True),
        ("a\u0308" * 37, 8, False),
        ("\u3000" * 72, 8, True),
        ("1234567\ud800", 8, False),
    ],
)
def test_a_password_has_a_least_and_a_greatest_length(password, min_length, valid):
    assert (find_password_error(password, min_length) is None) is valid


def test_names_that_differ_in_case_spacing_or_width_fold_to_the_same_text():
    assert fold_account_name("  Anna \t SMITH ") == fold_account_name("anna smith")
    assert fold_account_name("ΟΔΥΣΣΕΑΣ") == fold_account_name("οδυσσεας")
    assert fold_account_name("\uff21nn") == "ann"


@pytest.mark.parametrize(
    ("session", "refresh_id", "after", "honest"),
    [
        ({"previousId": "a", "rotatedAt": NOW}, "a", 0, True),
        ({"previousId": "a", "rotatedAt": NOW}, "a", 5, True),
        ({"previousId": "a", "rotatedAt": NOW}, "a", 5.1, False),
        ({"previousId": "a", "rotatedAt": NOW}, "b", 0, False),
        ({"rotatedAt": NOW}, "a", 0, False),
    ],
)
def test_a_retry_is_honest_only_with_the_last_token_and_soon(session, refresh_id, after, honest):
    assert rules.is_honest_retry(session, refresh_id, NOW + timedelta(seconds=after)) is honest


@pytest.mark.parametrize(
    ("failures", "after", "wait"),
    [(4, 0, 0), (5, 0, 1), (5, 1, 0), (6, 0, 2), (7, 1, 3), (30, 0, 900), (10**6, 899.5, 1)],
)
def test_waits_double_up_to_a_limit(failures, after, wait):
    record = {"failures": failures, "lastAt": NOW}
    now = NOW + timedelta(seconds=after)
    assert BY_ACCOUNT_AND_ADDRESS.compute_wait(record, now) == wait


def test_there_is_no_wait_without_a_record():
    assert BY_ACCOUNT_AND_ADDRESS.compute_wait(None, NOW) == 0


@given(st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))
def test_windows_end_within_their_length(now):
    for back_off in (BY_ACCOUNT_AND_ADDRESS, BY_ADDRESS, BY_ACCOUNT):
        assert now < back_off.find_window_end(now) <= now + back_off.window


def test_record_ids_differ_by_account_and_address_and_hide_both():
    ids = make_record_ids("ann@example.org", "10.0.0.1", NOW)
    other = make_record_ids("ann@example.org", "10.0.0.2", NOW)
    assert ids.account == other.account
    assert len({ids.pair, other.pair, ids.address, other.address, ids.trusted, other.trusted}) == 6
    assert "10.0.0.1" not in repr(ids)
    assert "ann" not in repr(ids)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("", ""),
        ("unix", "unix"),
    ],
)
def test_an_ipv6_network_counts_as_one_client(address, network):
    assert find_client_network(address) == network


@pytest.mark.parametrize(
    ("reads", "writes", "logins"), [(1000, 200, 50), (100, 30, 10), (20, 20, 10), (3, 3, 3)]
)
def test_limits_are_fractions_of_the_limit_of_reads_with_a_minimum(reads, writes, logins):
    assert derive_limits(reads) == {
        "reads": reads,
        "writes": writes,
        "sign-in": logins,
        "guesses": logins,
        "token-guesses": logins,
        "streams": 2 * reads,
        "check-ins": 60,
    }


def test_a_hash_matches_only_its_password():
    hashed = hash_password("correct horse", 4)
    assert "correct" not in hashed
    assert verify_password("correct horse", hashed, 4)
    assert not verify_password("correct hors", hashed, 4)
    assert not verify_password("correct horse", None, 4)
    assert needs_rehash("correct horse", hashed, 5)
    assert not needs_rehash("correct horse", hashed, 4)


@pytest.mark.parametrize("stored", ["pa\u00dfw\u00f6rter", "pa\u00dfwo\u0308rter"])
@pytest.mark.parametrize("typed", ["pa\u00dfw\u00f6rter", "pa\u00dfwo\u0308rter"])
def test_a_password_is_the_same_composed_and_decomposed(stored, typed):
    assert verify_password(typed, hash_password(stored, 4), 4)
    assert not needs_rehash(typed, hash_password(stored, 4), 4)
    older_hash = bcrypt.hashpw(stored.encode(), bcrypt.gensalt(4)).decode()
    assert verify_password(typed, older_hash, 4)
    assert needs_rehash(typed, older_hash, 4) == (stored != "pa\u00dfw\u00f6rter")


def test_every_space_is_the_same_in_a_password():
    assert verify_password("correct\u00a0horse", hash_password("correct horse", 4), 4)
    assert not verify_password("correct horse", hash_password("correcthorse", 4), 4)


def test_a_lone_surrogate_matches_no_password():
    assert not verify_password("correct \ud800", hash_password("correct ?", 4), 4)


def test_a_longer_password_is_not_cut_to_the_stored_one():
    assert not verify_password("x" * 73, hash_password("x" * 72, 4), 4)
