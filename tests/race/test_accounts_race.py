"""Calls on one account in several threads have one winner and leave no contradiction."""

import time
from datetime import timedelta
from functools import partial
from threading import Barrier

import pytest

from eventapp.accounts import editing, service, sessions, store, store_sessions
from eventapp.accounts.errors import BadCredentials, EmailTaken, LastAdmin, NameTaken, WrongPassword
from eventapp.accounts.login_back_off import BY_ACCOUNT_AND_ADDRESS
from eventapp.core.clock import utc_now
from eventapp.core.errors import AppError, TooManyRequests
from tests.race.kit import run_concurrently

THREADS = 8
# The engine takes a second to resolve a conflict of inserts on a unique index.
CLAIMANTS = 4
DAY = timedelta(days=1)


def register(db, number=0, **changes):
    asked = {"name": f"Person {number}", "email": f"p{number}@example.org", **changes}
    return service.register(db, **asked, password="correct horse", now=utc_now(), bcrypt_rounds=4)


def test_an_email_is_registered_once(db):
    calls = [
        lambda n=n: register(db, n, email="ann@example.org" if n % 2 else "ANN@example.org")
        for n in range(CLAIMANTS)
    ]
    results = run_concurrently(*calls)
    assert sum(isinstance(result, dict) for result in results) == 1
    assert sum(isinstance(result, EmailTaken) for result in results) == CLAIMANTS - 1
    assert db.users.count_documents({}) == 1


def test_a_login_name_is_claimed_by_one_account(db):
    results = run_concurrently(*[lambda n=n: register(db, n, name="Ann") for n in range(CLAIMANTS)])
    assert all(isinstance(result, dict) for result in results)
    assert db.users.count_documents({"loginName": "ann"}) == 1
    assert db.users.count_documents({}) == CLAIMANTS


def test_a_unique_name_is_registered_once(db):
    calls = [lambda n=n: register(db, n, name="Ann", unique_name=True) for n in range(CLAIMANTS)]
    results = run_concurrently(*calls)
    assert sum(isinstance(result, dict) for result in results) == 1
    assert sum(isinstance(result, NameTaken) for result in results) == CLAIMANTS - 1
    assert db.users.count_documents({}) == 1


def test_one_of_several_renamed_accounts_claims_the_login_name(db):
    people = [register(db, n) for n in range(CLAIMANTS)]
    run_concurrently(
        *[
            lambda p=p: editing.update_user(db, p["_id"], {"name": "Ann"}, now=utc_now())
            for p in people
        ]
    )
    assert db.users.count_documents({"loginName": "ann"}) == 1
    assert db.users.count_documents({"name": "Ann"}) == CLAIMANTS


def open_session(db):
    return sessions.open_session(db, register(db), now=utc_now(), lifetime=DAY)


def refreshing(db, session):
    return lambda: sessions.refresh_session(
        db, session["_id"], session["refreshId"], now=utc_now(), lifetime=DAY
    )


def test_simultaneous_refreshes_get_the_same_token(db):
    session = open_session(db)
    results = run_concurrently(*[refreshing(db, session)] * THREADS)
    assert {result["refreshId"] for result in results if isinstance(result, dict)} == {
        db.sessions.find_one()["refreshId"]
    }
    assert not [result for result in results if isinstance(result, AppError)]
    assert db.sessions.find_one()["gen"] == 1


def test_control_a_refresh_that_reads_before_it_writes_makes_several_tokens(db, monkeypatch):
    gate = Barrier(THREADS)

    def rotate(db, session_id, used, fresh, *, now, expires_at):
        session = db.sessions.find_one({"_id": session_id, "refreshId": used})
        gate.wait()
        if session:
            db.sessions.update_one({"_id": session_id}, {"$set": {"refreshId": fresh}})
        return session and {**session, "refreshId": fresh}

    monkeypatch.setattr(store_sessions, "rotate", rotate)
    results = run_concurrently(*[refreshing(db, open_session(db))] * THREADS)
    assert len({result["refreshId"] for result in results}) == THREADS


def test_the_last_two_admins_cannot_both_lose_the_role(db):
    for _ in range(5):
        admins = [register(db, n, role="admin") for n in range(2)]
        one, two = (person["_id"] for person in admins)
        results = run_concurrently(
            lambda one=one: editing.update_user(db, one, {"role": "attendee"}, now=utc_now()),
            lambda two=two: service.delete_user(db, two, forget_functions=[], now=utc_now()),
        )
        assert db.users.count_documents({"role": "admin"}) >= 1
        assert any(isinstance(result, LastAdmin) for result in results)
        db.users.delete_many({})


def test_control_without_the_second_count_both_lose_the_role(db, monkeypatch):
    monkeypatch.setattr(editing, "_restore_last_admin", lambda *_sent: None)
    gate, count = Barrier(2), store.count_with_role

    def count_and_wait(*sent):
        number = count(*sent)
        gate.wait()
        return number

    monkeypatch.setattr(store, "count_with_role", count_and_wait)
    admins = [register(db, n, role="admin") for n in range(2)]
    run_concurrently(
        *[
            lambda a=a: editing.update_user(db, a["_id"], {"role": "attendee"}, now=utc_now())
            for a in admins
        ]
    )
    assert db.users.count_documents({"role": "admin"}) == 0


def guessing(db, now):
    return lambda: sessions.log_in(
        db,
        email="p0@example.org",
        name=None,
        password="a wrong guess",
        client_ip="198.51.100.1",
        now=now,
        lifetime=DAY,
        bcrypt_rounds=4,
    )


@pytest.mark.parametrize("registered_email", ["p0@example.org", "another@example.org"])
def test_simultaneous_guesses_are_limited_to_the_free_failures(db, registered_email):
    register(db, email=registered_email)
    results = run_concurrently(*[guessing(db, utc_now())] * 24)
    tried = sum(isinstance(result, BadCredentials) for result in results)
    refused = sum(isinstance(result, TooManyRequests) for result in results)
    assert tried == BY_ACCOUNT_AND_ADDRESS.free_failures
    assert tried + refused == 24


def test_a_password_change_ends_the_session_of_a_simultaneous_login(db):
    for number in range(8):
        user = register(db, number)
        kept = sessions.open_session(db, user, now=utc_now(), lifetime=DAY)
        changing = [
            lambda u=user, k=kept: sessions.change_password(
                db,
                user_id=u["_id"],
                session_id=k["_id"],
                current="correct horse",
                new="a new password",
                client_ip="198.51.100.1",
                now=utc_now(),
                bcrypt_rounds=4,
            )
        ]
        opening = [lambda u=user: sessions.open_session(db, u, now=utc_now(), lifetime=DAY)] * 4
        run_concurrently(*changing, *opening)
        alive = [each["_id"] for each in db.sessions.find({"userId": user["_id"]})]
        assert alive == [kept["_id"]]


def log_in_with(db, password, rounds=4):
    return sessions.log_in(
        db,
        email="p0@example.org",
        name=None,
        password=password,
        client_ip="198.51.100.1",
        now=utc_now(),
        lifetime=DAY,
        bcrypt_rounds=rounds,
    )


def change_password(db, user, current, new):
    sessions.change_password(
        db,
        user_id=user["_id"],
        session_id=None,
        current=current,
        new=new,
        client_ip="198.51.100.1",
        now=utc_now(),
        bcrypt_rounds=4,
    )


def interfere_once(monkeypatch, interfere):
    """Call a function between the check of a password and the write that follows it."""
    original, calls = store.replace_password, []

    def replace(*arguments):
        if not calls:
            calls.append(True)
            interfere()
        return original(*arguments)

    monkeypatch.setattr(store, "replace_password", replace)


def test_a_login_does_not_overwrite_a_password_that_was_changed_meanwhile(db, monkeypatch):
    user = register(db)
    interfere_once(
        monkeypatch, lambda: change_password(db, user, "correct horse", "a new password")
    )
    with pytest.raises(BadCredentials):
        log_in_with(db, "correct horse", rounds=5)
    assert db.sessions.count_documents({}) == 0
    assert log_in_with(db, "a new password")


def test_a_login_whose_hash_another_login_replaced_succeeds(db, monkeypatch):
    register(db)
    interfere_once(monkeypatch, lambda: log_in_with(db, "correct horse", rounds=5))
    assert log_in_with(db, "correct horse", rounds=5)
    assert db.sessions.count_documents({}) == 2


def test_of_two_password_changes_at_once_one_is_refused(db, monkeypatch):
    user = register(db)
    interfere_once(
        monkeypatch, lambda: change_password(db, user, "correct horse", "the first change")
    )
    with pytest.raises(WrongPassword):
        change_password(db, user, "correct horse", "the second change")
    assert log_in_with(db, "the first change")


def test_a_password_change_succeeds_although_a_login_replaced_the_hash(db, monkeypatch):
    user = register(db)
    interfere_once(monkeypatch, lambda: log_in_with(db, "correct horse", rounds=5))
    change_password(db, user, "correct horse", "a new password")
    assert log_in_with(db, "a new password")
    assert db.sessions.count_documents({}) == 1


def test_two_changes_of_role_at_once_leave_the_stored_role_in_the_sessions(db):
    for number in range(8):
        user = register(db, number)
        sessions.open_session(db, user, now=utc_now(), lifetime=DAY)
        run_concurrently(
            *[
                lambda u=user, r=role: editing.update_user(db, u["_id"], {"role": r}, now=utc_now())
                for role in ("organizer", "attendee") * 3
            ]
        )
        role = db.users.find_one({"_id": user["_id"]})["role"]
        assert db.sessions.find_one({"userId": user["_id"]})["role"] == role


def test_no_session_keeps_a_role_that_was_taken_away(db):
    register(db, 99, role="admin")
    for number in range(8):
        user = register(db, number, role="admin")
        opening = [lambda u=user: sessions.open_session(db, u, now=utc_now(), lifetime=DAY)] * 4
        demoting = [
            lambda u=user: editing.update_user(db, u["_id"], {"role": "attendee"}, now=utc_now())
        ]
        run_concurrently(*opening, *demoting)
        assert not list(db.sessions.find({"userId": user["_id"], "role": "admin"}))


@pytest.mark.parametrize("checks_again", [True, False])
def test_a_session_that_is_opened_while_its_user_joins_a_team_says_so(
    db, monkeypatch, checks_again
):
    """The control does not compare the session with the account once it is stored."""
    user, insert = register(db), sessions.store_sessions.insert

    def join_and_insert(db, session):
        sessions.record_joined_team(db, session["userId"])
        insert(db, session)

    monkeypatch.setattr(sessions.store_sessions, "insert", join_and_insert)
    if not checks_again:
        monkeypatch.setattr(sessions, "_is_up_to_date", lambda _session, _user: True)
    opened = sessions.open_session(db, user, now=utc_now(), lifetime=DAY)
    stored = db.sessions.find_one({"userId": user["_id"]})
    assert stored["_id"] == opened["_id"]
    assert stored.get("hasJoinedTeam", False) == checks_again


def test_every_session_says_that_its_user_has_joined_a_team(db):
    for number in range(8):
        user = register(db, number)
        opening = [lambda u=user: sessions.open_session(db, u, now=utc_now(), lifetime=DAY)] * 4
        run_concurrently(*opening, lambda u=user: sessions.record_joined_team(db, u["_id"]))
        found = list(db.sessions.find({"userId": user["_id"]}))
        assert len(found) == 4
        assert all(each["hasJoinedTeam"] for each in found)


def test_the_use_of_every_session_is_recorded_in_few_writes(db, monkeypatch):
    before, reader, writes = utc_now() - DAY, sessions.SessionReader(), []
    users = [register(db, number) for number in range(16)]
    opened = [sessions.open_session(db, user, now=before, lifetime=2 * DAY) for user in users]
    record_uses = store_sessions.record_uses

    def record_slowly(db, session_ids, now):
        writes.append(session_ids)
        time.sleep(0.2)
        record_uses(db, session_ids, now)

    monkeypatch.setattr(store_sessions, "record_uses", record_slowly)
    run_concurrently(
        *(
            partial(reader.load_session, db, session["_id"], session["userId"], utc_now())
            for session in opened
        )
    )
    assert db.sessions.count_documents({"lastUsedAt": {"$gt": before}}) == len(opened)
    assert sum(map(len, writes)) == len(opened)
    assert len(writes) < len(opened)


def test_a_session_that_is_used_while_it_is_ended_does_not_stay(db):
    """A server may delete nothing, and report no conflict, if a document changes meanwhile."""
    user = register(db)
    for _round in range(40):
        session = sessions.open_session(db, user, now=utc_now(), lifetime=DAY)
        ended, _used = run_concurrently(
            partial(store_sessions.end, db, user["_id"], session["_id"]),
            partial(store_sessions.record_uses, db, [session["_id"]], utc_now()),
        )
        assert ended
        assert db.sessions.count_documents({}) == 0
