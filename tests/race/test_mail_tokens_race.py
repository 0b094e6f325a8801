"""Of many callers with one token, exactly one uses it."""

from datetime import timedelta
from threading import Barrier

import pytest
from bson import ObjectId

from eventapp.accounts import mail_tokens, recovery, sessions, store, store_mail_tokens
from eventapp.accounts.errors import TokenInvalid
from eventapp.accounts.mail_requests import MAIL_SEALER
from eventapp.core.access.passwords import verify_password
from eventapp.core.clock import utc_now
from tests.account_mails import read_token
from tests.race.kit import count_outcomes, run_concurrently
from tests.race.test_accounts_race import register

RACERS, CONTROL_RACERS, WORKERS = 50, 4, 4
DAY = timedelta(days=1)


def make_reset_calls(app, db, count):
    """Return calls that reset one password by the same token, each to another password."""
    register(db)
    sealer = MAIL_SEALER.get(app)
    recovery.request_reset(db, sealer, "p0@example.org", utc_now())
    token = read_token(app, "password_reset")
    return [
        lambda n=n: recovery.reset_password(
            db,
            sealer,
            token=token,
            new_password=f"a new password {n}",
            now=utc_now(),
            bcrypt_rounds=4,
        )
        for n in range(count)
    ]


def test_of_fifty_racers_with_one_token_one_resets_the_password(app, db):
    results = run_concurrently(*make_reset_calls(app, db, RACERS))
    assert count_outcomes(results) == {"NoneType": 1, "token_invalid": RACERS - 1}
    (user,) = db.users.find()
    winner = results.index(None)
    assert verify_password(f"a new password {winner}", user["passwordHash"], 4)
    assert db.mails.count_documents({"kind": "password_was_reset"}) == 1


def test_control_a_token_that_is_read_before_it_is_removed_is_used_several_times(
    app, db, monkeypatch
):
    gate = Barrier(CONTROL_RACERS)

    def consume(db, digest, purposes, now, **_note):
        token = store_mail_tokens.find_valid(db, digest, purposes, now)
        gate.wait()
        db.mailTokens.update_one({"digest": digest}, {"$unset": {"digest": ""}})
        return token

    monkeypatch.setattr(store_mail_tokens, "consume", consume)
    results = run_concurrently(*make_reset_calls(app, db, CONTROL_RACERS))
    assert count_outcomes(results) == {"NoneType": CONTROL_RACERS}


def test_workers_at_once_leave_one_valid_token_and_the_newest_wins(db):
    user = register(db)
    now = utc_now()
    requests = [
        {"_id": ObjectId(), "purpose": "reset", "sealed": b"", "requestedAt": now + step}
        for step in (timedelta(0), timedelta(seconds=1))
    ]
    tokens = [mail_tokens.make_token() for _ in requests]

    def issue(number):
        return mail_tokens.issue(
            db,
            requests[number],
            tokens[number],
            user_id=user["_id"],
            email_key=user["emailKey"],
            now=now,
        )

    run_concurrently(*[lambda n=n: issue(n % 2) for n in range(WORKERS)])
    assert db.mailTokens.count_documents({}) == 1
    assert len(db.mailTokens.find_one()["sentAt"]) <= len(requests)
    mail_tokens.consume(db, tokens[1], ("reset",), now)
    with pytest.raises(TokenInvalid):
        mail_tokens.consume(db, tokens[0], ("reset",), now)


def test_a_reset_ends_the_session_of_a_simultaneous_login(app, db):
    calls = make_reset_calls(app, db, 1)
    user = store.find_by_email(db, ["p0@example.org"])
    opening = [lambda: sessions.open_session(db, user, now=utc_now(), lifetime=DAY)] * 4
    run_concurrently(*calls, *opening)
    assert db.sessions.count_documents({}) == 0
