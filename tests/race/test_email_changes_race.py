"""Changes of an email that run at the same time as each other, as resets and as their undoing."""

from threading import Barrier

import pymongo
import pytest

from eventapp.accounts import (
    editing,
    email_rules,
    email_voids,
    mail_tokens,
    recovery,
    store,
    store_mail_tokens,
    verification,
)
from eventapp.accounts.email_changes import EmailChange, PasswordProof
from eventapp.accounts.errors import WrongPassword
from eventapp.accounts.mail_requests import MAIL_SEALER
from eventapp.core.access.passwords import hash_password
from eventapp.core.clock import utc_now
from tests.account_mails import read_token, read_tokens
from tests.race.kit import count_outcomes, run_concurrently
from tests.race.test_accounts_race import register

RACERS, CONTROL_RACERS = 50, 4
PASSWORD, OLD, NEW = "correct horse", "p0@example.org", "new@example.org"
VERIFY, VOID = "new_email", "email_change"


@pytest.fixture(autouse=True)
def _patient():
    """Let writes of one unique key wait for each other on a server."""
    with pymongo.timeout(30):
        yield


def make_change(app, user, password=PASSWORD):
    return EmailChange(
        sealer=MAIL_SEALER.get(app),
        can_mail=True,
        is_production=False,
        bcrypt_rounds=4,
        proof=PasswordProof(user["_id"], password, "127.0.0.1"),
    )


@pytest.fixture
def user(db):
    """An account with a known password."""
    made = register(db)
    hashed = hash_password(PASSWORD, 4)
    db.users.update_one({"_id": made["_id"]}, {"$set": {"passwordHash": hashed}})
    return {**made, "passwordHash": hashed}


def ask(app, db, user, email=NEW):
    return editing.update_user(
        db, user["_id"], {"email": email}, now=utc_now(), email_change=make_change(app, user)
    )


def verify(db, token):
    return verification.verify_email(
        db, token, password=None, client_ip="", bcrypt_rounds=4, now=utc_now()
    )


def reset(app, db, token, number=0):
    recovery.reset_password(
        db,
        MAIL_SEALER.get(app),
        token=token,
        new_password=f"a new password {number}",
        now=utc_now(),
        bcrypt_rounds=4,
    )


def hold_until_all_have_read(monkeypatch, racers):
    """Remove the guard: let every racer read the token before any of them uses it up."""
    gate = Barrier(racers)

    def consume(db, digest, purposes, now, *, is_noted=False):
        token = store_mail_tokens.find_valid(db, digest, purposes, now)
        gate.wait()
        db.mailTokens.update_one({"digest": digest}, {"$unset": {"digest": ""}})
        return token

    monkeypatch.setattr(store_mail_tokens, "consume", consume)


def test_of_fifty_racers_with_one_token_one_verifies_the_address(app, db, user):
    ask(app, db, user)
    token = read_token(app, VERIFY)
    results = run_concurrently(*[lambda: verify(db, token)] * RACERS)
    assert count_outcomes(results) == {"NoneType": 1, "token_invalid": RACERS - 1}
    found = db.users.find_one()
    assert (found["email"], len(found["emailChanges"]["previous"])) == (NEW, 1)


def test_of_fifty_racers_with_one_token_one_voids_the_change(app, db, user):
    ask(app, db, user)
    verify(db, read_token(app, VERIFY))
    token = read_token(app, VOID)
    void = [lambda: email_voids.void_change(db, token, utc_now())] * RACERS
    assert count_outcomes(run_concurrently(*void)) == {"Outcome": 1, "token_invalid": RACERS - 1}
    assert db.users.find_one()["email"] == OLD
    assert db.mailTokens.count_documents({"unfinishedSince": {"$exists": True}}) == 0


def test_control_without_one_write_a_token_is_used_up_several_times(app, db, user, monkeypatch):
    ask(app, db, user)
    token = read_token(app, VOID)
    hold_until_all_have_read(monkeypatch, CONTROL_RACERS)
    use = [lambda: mail_tokens.consume(db, token, ("email-void",), utc_now())] * CONTROL_RACERS
    assert count_outcomes(run_concurrently(*use)) == {"dict": CONTROL_RACERS}


def test_of_accounts_that_verify_one_address_one_gets_it(app, db):
    people = [register(db, number) for number in range(6)]
    hashed = hash_password(PASSWORD, 4)
    db.users.update_many({}, {"$set": {"passwordHash": hashed}})
    for person in people:
        ask(app, db, person)
    tokens = read_tokens(app, VERIFY)
    results = run_concurrently(*[lambda t=token: verify(db, t) for token in tokens])
    assert count_outcomes(results) == {"NoneType": 1, "email_taken": len(people) - 1}
    assert db.users.count_documents({"emailKey": NEW}) == 1


def reset_before_the_write(app, db, monkeypatch):
    """Let a reset of the password come between the check of the old one and the write."""
    recovery.request_reset(db, MAIL_SEALER.get(app), OLD, utc_now())
    tokens, begin = [read_token(app, "password_reset")], email_rules.begin

    def begin_late(*arguments):
        if tokens:
            reset(app, db, tokens.pop())
        return begin(*arguments)

    monkeypatch.setattr(email_rules, "begin", begin_late)


def test_a_change_with_the_old_password_does_not_survive_a_reset(app, db, user, monkeypatch):
    reset_before_the_write(app, db, monkeypatch)
    with pytest.raises(WrongPassword):
        ask(app, db, user)
    assert "pending" not in db.users.find_one()["emailChanges"]


def test_control_without_the_guard_the_change_survives_the_reset(app, db, user, monkeypatch):
    reset_before_the_write(app, db, monkeypatch)
    update = store.update
    monkeypatch.setattr(
        store,
        "update",
        lambda db, user_id, changes, *, unchanged_since, **more: update(
            db, user_id, changes, **more
        ),
    )
    ask(app, db, user)
    assert "pending" in db.users.find_one()["emailChanges"]


def test_a_reset_and_a_verification_leave_one_of_both(app, db, user):
    """The token of the reset counts only for the address that it was mailed to."""
    for _round in range(5):
        db.users.replace_one({"_id": user["_id"]}, user)
        db.mailTokens.delete_many({})
        ask(app, db, user)
        recovery.request_reset(db, MAIL_SEALER.get(app), OLD, utc_now())
        verifying, resetting = read_token(app, VERIFY), read_token(app, "password_reset")
        results = run_concurrently(
            lambda token=verifying: verify(db, token),
            lambda token=resetting: reset(app, db, token),
        )
        outcomes = count_outcomes(results)
        assert outcomes == {"NoneType": 1, "token_invalid": 1}, outcomes
        found = db.users.find_one()
        assert "pending" not in found["emailChanges"]
        assert (found["email"] == NEW) == (results[0] is None)


def test_a_verification_and_the_owners_link_leave_the_old_address(app, db, user):
    for _round in range(10):
        db.users.replace_one({"_id": user["_id"]}, user)
        db.mailTokens.delete_many({})
        ask(app, db, user)
        verifying, voiding = read_token(app, VERIFY), read_token(app, VOID)
        results = run_concurrently(
            lambda token=verifying: verify(db, token),
            lambda token=voiding: email_voids.void_change(db, token, utc_now()),
        )
        assert isinstance(results[1], email_voids.Outcome), results
        found = db.users.find_one()
        assert (found["email"], found["emailChanges"]["previous"]) == (OLD, [])
        assert "pending" not in found["emailChanges"]


def test_changes_at_once_leave_one_pending_address_within_the_limit(app, db, user):
    emails = [f"n{number}@example.org" for number in range(8)]
    results = run_concurrently(*[lambda e=email: ask(app, db, user, e) for email in emails])
    assert count_outcomes(results) == {"dict": 3, "too_many_requests": 5}
    found = db.users.find_one()["emailChanges"]
    assert len(found["askedAt"]) == 3
    assert found["pending"]["email"] in emails
    assert len(read_tokens(app, VERIFY)) == 1


def test_two_links_at_once_put_back_the_address_of_the_owner(app, db, user):
    ask(app, db, user)
    verify(db, read_token(app, VERIFY))
    ask(app, db, user, "other@example.org")
    verify(db, read_token(app, VERIFY))
    links = read_tokens(app, VOID)
    run_concurrently(
        *[lambda t=token: email_voids.void_change(db, t, utc_now()) for token in links]
    )
    assert db.users.find_one()["email"] == OLD
