"""A new email takes effect when it is verified."""

import pytest
from bson import ObjectId, json_util

from eventapp.accounts import email_voids, verification
from eventapp.accounts.errors import TokenInvalid
from eventapp.core.clock import utc_now
from eventapp.core.failpoints import set_failpoint_hook
from eventapp.jobs import service as jobs
from tests.account_mails import make_mails, read_mails, read_token, read_tokens
from tests.bookings_factories import context_of
from tests.email_changes import (
    ANN,
    BOB,
    DAY,
    NEW,
    OTHER,
    PASSWORD,
    PATHS,
    VERIFY,
    VOID,
    change,
    change_and_verify,
    changed_config,
    get_profile,
    log_in,
    pretend_to_mail,
    register,
    verify,
    void,
)
from tests.factories import bearer
from tests.http.gson import BASE
from tests.http.test_recovery import die_at


@pytest.fixture
def mailing(app):
    with pretend_to_mail(app):
        yield


@pytest.fixture
def production_without_mail(app):
    with changed_config(app, app_env="production"):
        yield


@pytest.fixture
def ann(client, db):
    return register(client, ANN)


@pytest.mark.parametrize("path", PATHS)
def test_the_new_address_is_pending_until_it_is_verified(client, app, mailing, ann, path):
    answer = change(client, ann, NEW, path)
    assert answer.status_code == 200
    assert (answer.json["email"], answer.json["pendingEmail"]) == (ANN["email"], NEW)
    profile = get_profile(client, ann)
    assert {**profile, **answer.json} == profile
    assert (log_in(client, ANN["email"]), log_in(client, NEW)) == (200, 401)
    (asked,), (told,) = read_mails(app, VERIFY), read_mails(app, VOID)
    assert (asked["to"], told["to"]) == (NEW, ANN["email"])
    assert f"/account/verify#token={read_token(app, VERIFY)}" in asked["text"]
    assert f"/account/void-email-change#token={read_token(app, VOID)}" in told["text"]
    assert "Ann" not in asked["text"] + told["text"] + asked["html"] + told["html"]
    verified = verify(client, read_token(app, VERIFY))
    assert (verified.status_code, verified.json) == (200, {"message": "Email address verified"})
    profile = get_profile(client, ann)
    assert (profile["email"], profile["emailVerified"]) == (NEW, True)
    assert "pendingEmail" not in profile
    assert (log_in(client, ANN["email"]), log_in(client, NEW)) == (401, 200)


def test_the_password_is_needed_only_for_another_address(client, db, mailing, ann):
    same = change(client, ann, ANN["email"], currentPassword=None, about="x")
    assert (same.status_code, same.json["about"]) == (200, "x")
    missing = change(client, ann, NEW, currentPassword=None, about="y")
    assert (missing.status_code, missing.json["code"]) == (400, "validation_error")
    assert list(missing.json["errors"]) == ["currentPassword"]
    assert get_profile(client, ann)["about"] == "x"
    assert "emailChanges" not in db.users.find_one()


def test_another_spelling_is_another_address(client, mailing, ann):
    """The part before the `@` may be case-sensitive, and folding joins letters that differ."""
    answer = change(client, ann, ANN["email"].lower(), currentPassword=None)
    assert (answer.status_code, list(answer.json["errors"])) == (400, ["currentPassword"])


def test_a_wrong_password_counts_as_a_failed_login(client, mailing, ann):
    for _attempt in range(5):
        wrong = change(client, ann, NEW, currentPassword="wrong")
        assert (wrong.status_code, wrong.json["code"]) == (400, "wrong_password")
        assert list(wrong.json["errors"]) == ["currentPassword"]
    assert change(client, ann, NEW).status_code == 429
    assert log_in(client, ANN["email"]) == 429


def test_an_admin_sends_the_own_password_and_the_address_is_pending(client, app, mailing, db, ann):
    register(client, BOB)
    db.users.update_one({"name": "Bob"}, {"$set": {"role": "admin"}})
    db.users.update_one({"name": "Ann"}, {"$set": {"passwordHash": "another"}})
    login = {"email": BOB["email"], "password": PASSWORD}
    token = client.post("/api/auth/login", json=login).json["token"]
    bob = {"id": ann["id"], "headers": bearer(token)}
    refused = change(client, bob, NEW, PATHS[1], currentPassword=None)
    assert (refused.status_code, list(refused.json["errors"])) == (400, ["currentPassword"])
    answer = change(client, bob, NEW, PATHS[1])
    assert (answer.json["email"], answer.json["pendingEmail"]) == (ANN["email"], NEW)
    assert [mail["to"] for mail in read_mails(app, VOID)] == [ANN["email"]]
    assert verify(client, read_token(app, VERIFY)).status_code == 200
    assert db.users.find_one({"name": "Ann"})["email"] == NEW


def test_the_change_does_not_tell_whether_an_address_is_taken(client, app, mailing, ann, db):
    register(client, BOB)
    free, taken = change(client, ann, NEW), change(client, ann, BOB["email"])
    assert free.status_code == taken.status_code == 200
    assert {**free.json, "pendingEmail": 0, "updatedAt": 0} == {
        **taken.json,
        "pendingEmail": 0,
        "updatedAt": 0,
    }
    answer = verify(client, read_token(app, VERIFY))
    assert (answer.status_code, answer.json["code"]) == (409, "email_taken")
    assert get_profile(client, ann)["email"] == ANN["email"]


def test_a_pending_address_reserves_nothing_and_gets_no_reset(client, app, mailing, ann, db):
    change(client, ann, NEW)
    token = read_token(app, VERIFY)
    client.post("/api/auth/forgot-password", json={"email": NEW})
    assert read_mails(app, "password_reset") == []
    taken = client.post("/api/auth/register", json={**BOB, "email": NEW})
    assert taken.status_code == 201
    answer = verify(client, token)
    assert (answer.status_code, answer.json["code"]) == (409, "email_taken")
    assert db.mails.count_documents({"to": NEW, "userId": ObjectId(ann["id"])}) == 1


def test_a_pending_address_must_be_verified_within_three_days(client, app, mailing, ann, db):
    change(client, ann, NEW)
    token = read_token(app, VERIFY)
    unused = {"password": None, "client_ip": "", "bcrypt_rounds": 4}
    with pytest.raises(TokenInvalid):
        verification.verify_email(db, token, **unused, now=utc_now() + 3 * DAY)
    assert email_voids.finish_interrupted(db, utc_now() + 2 * DAY) == 0
    assert email_voids.finish_interrupted(db, utc_now() + 3 * DAY) == 1
    assert "pendingEmail" not in get_profile(client, ann)
    assert verify(client, token).json["code"] == "token_invalid"


def test_the_app_needs_the_password_only_to_verify(client, app, mailing, ann, db):
    login = {"name": "Ann", "password": PASSWORD}
    capability = client.post(BASE + "users/login", json=login).json["_id"]
    body = {"name": "Ann", "email": NEW, "about": "x"}
    answer = client.put(f"{BASE}users/{capability}", json=body)
    assert (answer.status_code, answer.json["email"], answer.json["about"]) == (
        *(200, ANN["email"], "x"),
    )
    assert "pendingEmail" not in answer.json
    for _save in range(4):  # The app sends the whole profile, with what was typed, each time.
        assert client.put(f"{BASE}users/{capability}", json=body).status_code == 200
    (token,) = read_tokens(app, VERIFY)
    missing = verify(client, token)
    assert (missing.status_code, list(missing.json["errors"])) == (400, ["password"])
    wrong = verify(client, token, password="wrong")
    assert (wrong.status_code, wrong.json["code"]) == (400, "wrong_password")
    assert list(wrong.json["errors"]) == ["password"]
    assert db.users.find_one()["email"] == ANN["email"]
    assert verify(client, token, password=PASSWORD).status_code == 200
    assert db.users.find_one()["email"] == NEW
    assert client.put(f"{BASE}users/{capability}", json={"about": "y"}).json["email"] == NEW


def test_wrong_passwords_of_a_link_count_as_failed_logins(client, app, mailing, ann):
    login = {"name": "Ann", "password": PASSWORD}
    capability = client.post(BASE + "users/login", json=login).json["_id"]
    client.put(f"{BASE}users/{capability}", json={"email": NEW})
    token = read_token(app, VERIFY)
    statuses = [verify(client, token, password="wrong").status_code for _attempt in range(6)]
    assert statuses == [400] * 5 + [429]
    assert log_in(client, ANN["email"]) == 429


def test_a_change_without_a_mail_server_is_immediate_in_development(client, app, ann, db):
    register(client, BOB)
    verified = read_token(app, "email_verification")
    assert change(client, ann, NEW, currentPassword=None).status_code == 400
    answer = change(client, ann, NEW)
    assert (answer.json["email"], answer.json["emailVerified"]) == (NEW, False)
    assert "pendingEmail" not in answer.json
    taken = change(client, ann, BOB["email"])
    assert (taken.status_code, taken.json["code"]) == (409, "email_taken")
    assert [mail["to"] for mail in read_mails(app, "email_verification")][-1] == NEW
    assert verify(client, read_token(app, "email_verification")).status_code == 200
    assert verified != read_token(app, "email_verification")
    # The old address is free at once, because no link can put it back.
    assert client.post("/api/auth/register", json={**ANN, "name": "A"}).status_code == 201


def test_a_change_without_a_mail_server_is_refused_in_production(
    client, ann, db, production_without_mail
):
    before = db.users.find_one()
    login = {"name": "Ann", "password": PASSWORD}
    capability = client.post(BASE + "users/login", json=login).json["_id"]
    answers = [change(client, ann, NEW, path) for path in PATHS]
    answers.append(client.put(f"{BASE}users/{capability}", json={"email": NEW}))
    for answer in answers:
        assert (answer.status_code, answer.json["code"]) == (503, "mail_unavailable")
    assert change(client, ann, ANN["email"], currentPassword=None).status_code == 200
    assert db.users.find_one()["email"] == before["email"]


def test_three_changes_an_hour_can_be_asked_for(client, app, mailing, ann, db):
    for number in range(3):
        assert change(client, ann, f"n{number}@example.org").status_code == 200
    refused = change(client, ann, NEW)
    assert refused.status_code == 429
    assert 3500 < int(refused.headers["Retry-After"]) <= 3600
    resent = client.post("/api/auth/verify-email/resend", headers=ann["headers"])
    assert resent.status_code == 202
    # The mails of the newest change alone were due when the job ran.
    assert [mail["to"] for mail in read_mails(app, VERIFY)] == ["n2@example.org"]
    assert len(read_mails(app, VOID)) == 1


def test_another_mail_goes_to_the_pending_address_and_voids_the_first(client, app, mailing, ann):
    change(client, ann, NEW)
    first = read_token(app, VERIFY)
    resent = client.post("/api/auth/verify-email/resend", headers=ann["headers"])
    assert resent.status_code == 202
    assert [mail["to"] for mail in read_mails(app, VERIFY)] == [NEW, NEW]
    assert len(read_mails(app, VOID)) == 1
    assert verify(client, first).json["code"] == "token_invalid"
    assert verify(client, read_token(app, VERIFY)).status_code == 200
    assert void(client, read_token(app, VOID)).status_code == 200


def test_no_token_is_stored_or_exported_in_plain_text(client, app, mailing, ann, db):
    change(client, ann, NEW)
    before = json_util.dumps(list(db.users.find()))
    tokens = [read_token(app, VERIFY), read_token(app, VOID)]
    stored = before + "".join(
        json_util.dumps(list(db[name].find())) for name in ("users", "mailTokens", "mails")
    )
    path = f"/api/users/{ann['id']}/export"
    exported = client.get(path, headers=ann["headers"])
    for token in tokens:
        assert token not in stored + exported.text
    assert exported.json["user"]["pendingEmail"] == NEW
    assert exported.json["previousEmails"] == []
    assert verify(client, tokens[0]).status_code == 200
    exported = client.get(path, headers=ann["headers"]).json
    assert [each["email"] for each in exported["previousEmails"]] == [ANN["email"]]


def test_erasure_removes_both_addresses_and_their_links(client, app, mailing, ann, db):
    change_and_verify(client, app, ann, NEW)
    change(client, ann, OTHER)
    make_mails(app)
    token = read_token(app, VERIFY)
    client.delete(f"/api/users/{ann['id']}", headers=ann["headers"])
    for name in db.list_collection_names():
        stored = json_util.dumps(list(db[name].find())).lower()
        for email in (ANN["email"], NEW, OTHER):
            assert email.lower() not in stored, name
    assert verify(client, token).json["code"] == "token_invalid"
    assert client.post("/api/auth/register", json=ANN).status_code == 201


@pytest.mark.parametrize("failpoint", ["email-token-issued", "email-change-mail-queued"])
def test_the_mails_are_stored_after_a_process_died(client, app, mailing, ann, db, failpoint):
    change(client, ann, NEW)
    die_at(failpoint, lambda: make_mails(app))
    (verifying,), (voiding,) = read_tokens(app, VERIFY), read_tokens(app, VOID)
    assert "mails" not in db.users.find_one()["emailChanges"]["pending"]
    assert verify(client, verifying).status_code == 200
    assert void(client, voiding).status_code == 200


def test_a_verified_address_stays_after_a_process_died(client, app, mailing, ann, db):
    change(client, ann, NEW)
    token = read_token(app, VERIFY)
    die_at("email-changed", lambda: verify(client, token))
    assert db.users.find_one()["email"] == NEW


def test_a_change_whose_mails_cannot_be_made_is_dropped(client, app, mailing, ann, db):
    change(client, ann, NEW)
    sealed = {"emailChanges.pending.mails.sealed": b"\0" * 60}
    db.users.update_one({}, {"$set": sealed})
    make_mails(app)
    assert "pendingEmail" not in get_profile(client, ann)
    assert db.failedWork.count_documents({}) == 0


def test_the_worker_runs_the_job(app, db):
    assert jobs.run_job("email-changes", context_of(app)) == 0


def test_an_erasure_while_the_mails_are_made_leaves_nothing(client, app, mailing, ann, db):
    change(client, ann, NEW)

    def erase(passed):
        if passed == "email-token-issued":
            set_failpoint_hook(None)
            client.delete(f"/api/users/{ann['id']}", headers=ann["headers"])

    set_failpoint_hook(erase)
    try:
        make_mails(app)
    finally:
        set_failpoint_hook(None)
    assert db.users.count_documents({}) == 0
    for name in ("mailTokens", "mails", "mailRequests"):
        assert db[name].count_documents({}) == 0, name
