"""Guessing at passwords is slowed down, and nobody can lock out the owner of an account."""

import statistics
import time
from datetime import timedelta

import pytest

from eventapp.accounts import sessions
from eventapp.accounts.errors import BadCredentials
from eventapp.accounts.login_back_off import BY_ACCOUNT
from eventapp.core.access.passwords import verify_password
from eventapp.core.clock import utc_now
from eventapp.core.errors import TooManyRequests

ANN = {"name": "Ann", "email": "ann@example.org", "password": "correct horse"}
HOME, CAFE = "198.51.100.1", "198.51.100.2"


@pytest.fixture
def ann(client):
    return client.post("/api/auth/register", json=ANN).json


def login(client, address, password="correct horse", **account):
    account = account or {"email": "ann@example.org"}
    return client.post(
        "/api/auth/login",
        json={**account, "password": password},
        environ_base={"REMOTE_ADDR": address},
    )


def guess(client, address, times, **account):
    return [login(client, address, "a wrong guess", **account).status_code for _ in range(times)]


def test_guesses_are_slowed_down(client, ann):
    assert guess(client, CAFE, 7) == [401] * 5 + [429] * 2
    answer = login(client, CAFE)
    assert (answer.status_code, answer.json["code"]) == (429, "too_many_requests")
    assert 1 <= int(answer.headers["Retry-After"]) <= 2


def test_guesses_at_an_unknown_account_are_slowed_down_the_same_way(client, ann):
    assert guess(client, CAFE, 7, email="nobody@example.org") == [401] * 5 + [429] * 2


def test_other_case_and_spacing_give_no_further_guesses(client, ann):
    spellings = ["ann@example.org", "ANN@example.org", " Ann@Example.Org ", "aNn@example.org"]
    statuses = [login(client, CAFE, "wrong", email=email).status_code for email in spellings * 2]
    assert statuses == [401] * 5 + [429] * 3


def test_the_owner_at_another_address_is_not_locked_out(client, ann):
    guess(client, CAFE, 10)
    assert login(client, HOME).status_code == 200


def guess_in_every_way(client, address, headers):
    """Guess at Ann's password by email, by name, in the app, and by changing it."""
    password = "a wrong guess"
    changing = {"currentPassword": password, "newPassword": "another password"}
    calls = [
        ("POST", "/api/auth/login", {"email": "ann@example.org", "password": password}),
        ("POST", "/api/users/login", {"name": "Ann", "password": password}),
        ("POST", "/android/api/users/login", {"name": "Ann", "password": password}),
        ("PUT", "/api/auth/change-password", changing),
    ]
    for method, path, body in calls:
        yield client.open(
            path,
            method=method,
            json=body,
            headers=headers if "change" in path else {},
            environ_base={"REMOTE_ADDR": address},
        ).status_code


def test_guesses_in_all_ways_are_counted_together(client, ann):
    headers = {"Authorization": f"Bearer {ann['token']}"}
    statuses = [*guess_in_every_way(client, CAFE, headers)]
    statuses += guess_in_every_way(client, CAFE, headers)
    assert statuses == [401, 401, 401, 400, 401, 429, 429, 429]
    assert login(client, HOME).status_code == 200


def test_the_addresses_of_an_ipv6_network_are_counted_together(client, ann):
    statuses = [guess(client, f"2001:db8:1:2::{n}", 1)[0] for n in range(7)]
    assert statuses == [401] * 5 + [429] * 2
    assert guess(client, "2001:db8:1:3::1", 1) == [401]
    assert login(client, "2001:db8:1:4::1").status_code == 200
    statuses = [guess(client, f"2001:db8:9:{n:x}::1", 1)[0] for n in range(20)]
    assert 429 in statuses
    assert login(client, "2001:db8:1:4:ffff::2").status_code == 200


def test_a_success_resets_the_count_of_failures(client, ann):
    for _ in range(3):
        assert guess(client, HOME, 4) == [401] * 4
        assert login(client, HOME).status_code == 200


def test_one_address_cannot_try_all_accounts(client, db):
    statuses = [
        login(client, CAFE, "wrong", email=f"p{number}@example.org").status_code
        for number in range(55)
    ]
    assert statuses[:50] == [401] * 50
    assert 429 in statuses[50:]
    assert login(client, HOME, "wrong", email="p1@example.org").status_code == 401


def test_successful_logins_from_one_address_are_not_counted(client, ann):
    assert {login(client, HOME).status_code for _ in range(60)} == {200}


def test_guesses_from_many_addresses_do_not_slow_down_the_owners_address(client, ann):
    assert login(client, HOME).status_code == 200
    statuses = [guess(client, f"203.0.113.{number}", 1)[0] for number in range(25)]
    assert statuses[:20] == [401] * 20
    assert 429 in statuses[20:]
    assert login(client, HOME).status_code == 200
    fresh = login(client, CAFE)
    assert fresh.status_code == 429
    assert int(fresh.headers["Retry-After"]) <= BY_ACCOUNT.max_wait


def test_an_attempt_is_allowed_after_the_wait(client, ann, db):
    now = utc_now()

    def attempt(after, password):
        return sessions.log_in(
            db,
            email="ann@example.org",
            name=None,
            password=password,
            client_ip=CAFE,
            now=now + timedelta(seconds=after),
            lifetime=timedelta(days=1),
            bcrypt_rounds=4,
        )

    for _ in range(5):
        with pytest.raises(BadCredentials):
            attempt(0, "wrong")
    with pytest.raises(TooManyRequests):
        attempt(0.5, "correct horse")
    with pytest.raises(BadCredentials):
        attempt(1, "wrong")
    with pytest.raises(TooManyRequests):
        attempt(2, "correct horse")
    assert attempt(3, "correct horse")[0]["name"] == "Ann"


def test_records_hold_no_addresses_and_expire(client, ann, db):
    guess(client, CAFE, 1)
    login(client, HOME)
    for record in db.loginMarks.find():
        assert CAFE not in str(record)
        assert "example.org" not in str(record)
        assert record["expiresAt"] > utc_now()


@pytest.fixture(scope="module")
def slow_client(make_app):
    """A server whose password hash takes long enough to be measured."""
    client = make_app(BCRYPT_ROUNDS="10").test_client()
    client.post("/api/users", json=ANN)
    return client


def time_ratio(client, network):
    """Return the time of a login to an unknown account, as a multiple of one to a known account."""

    def seconds(number, email):
        began = time.perf_counter()
        assert login(client, f"{network}.{number}", "wrong", email=email).status_code == 401
        return time.perf_counter() - began

    known, unknown = [], []
    for number in range(9):
        known.append(seconds(number, "ann@example.org"))
        unknown.append(seconds(number + 100, "nobody@example.org"))
    return statistics.median(unknown) / statistics.median(known)


def test_an_unknown_account_takes_as_long_as_a_known_one(slow_client):
    assert 0.6 < time_ratio(slow_client, "192.0.2") < 1.7


def test_control_without_the_stand_in_hash_an_unknown_account_is_faster(slow_client, monkeypatch):
    def verify_existing_only(password, hashed, rounds):
        return hashed is not None and verify_password(password, hashed, rounds)

    monkeypatch.setattr(sessions, "verify_password", verify_existing_only)
    assert time_ratio(slow_client, "192.0.3") < 0.6
