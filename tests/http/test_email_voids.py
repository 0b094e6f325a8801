"""The old email gets a link that voids its change, also after the change took effect."""

from datetime import timedelta

import pytest
from bson import ObjectId

from eventapp.accounts import email_rules, email_voids, verification
from eventapp.accounts.errors import TokenInvalid
from eventapp.core.clock import utc_now
from tests.account_mails import make_mails, read_mails, read_token, read_tokens
from tests.email_changes import (
    ANN,
    BOB,
    DAY,
    NEW,
    OTHER,
    PASSWORD,
    VERIFY,
    VOID,
    change,
    change_and_verify,
    get_profile,
    log_in,
    pretend_to_mail,
    register,
    verify,
    void,
)
from tests.http.gson import BASE
from tests.http.test_recovery import die_at


@pytest.fixture
def mailing(app):
    with pretend_to_mail(app):
        yield


@pytest.fixture
def ann(client, db):
    return register(client, ANN)


def test_a_second_change_replaces_the_first_and_keeps_the_owners_link(client, app, mailing, ann):
    change(client, ann, NEW)
    first = read_token(app, VERIFY)
    assert change(client, ann, OTHER).json["pendingEmail"] == OTHER
    assert verify(client, first).json["code"] == "token_invalid"
    make_mails(app)
    assert verify(client, first).json["code"] == "token_invalid"
    voids = read_tokens(app, VOID)
    assert void(client, voids[0]).status_code == 200
    assert "pendingEmail" not in get_profile(client, ann)
    assert verify(client, read_token(app, VERIFY)).json["code"] == "token_invalid"
    assert void(client, voids[1]).json["code"] == "token_invalid"


def test_the_link_voids_a_pending_change_once_and_ends_no_session(client, app, mailing, ann):
    change(client, ann, NEW)
    token = read_token(app, VOID)
    answer = void(client, token)
    assert (answer.status_code, answer.json) == (
        200,
        {"message": "The change is void, and the email address stays as it is"},
    )
    assert "pendingEmail" not in get_profile(client, ann)
    assert verify(client, read_token(app, VERIFY)).json["code"] == "token_invalid"
    again = void(client, token)
    assert (again.status_code, again.json["code"]) == (400, "token_invalid")


def test_the_link_puts_the_old_address_back_and_ends_all_sessions(client, app, mailing, ann, db):
    login = {"name": "Ann", "password": PASSWORD}
    capability = client.post(BASE + "users/login", json=login).json["_id"]
    change_and_verify(client, app, ann, NEW)
    answer = void(client, read_token(app, VOID))
    assert (answer.status_code, answer.json) == (
        200,
        {"message": "The old email address is put back, and all sessions have ended"},
    )
    assert client.get("/api/auth/profile", headers=ann["headers"]).status_code == 401
    assert client.put(f"{BASE}users/{capability}", json={"about": "x"}).status_code == 401
    assert db.sessions.count_documents({}) == 0
    assert (log_in(client, ANN["email"]), log_in(client, NEW)) == (200, 401)
    user = db.users.find_one()
    assert (user["email"], user["emailVerified"]) == (ANN["email"], False)
    assert user["claimedEmailKeys"] == ["ann@example.org"]


def test_the_link_works_for_seven_days_after_the_change_took_effect(client, app, mailing, ann, db):
    change(client, ann, NEW)
    token, verifying = read_token(app, VOID), read_token(app, VERIFY)
    unused = {"password": None, "client_ip": "", "bcrypt_rounds": 4}
    effect = utc_now() + 3 * DAY - timedelta(minutes=1)
    verification.verify_email(db, verifying, **unused, now=effect)
    saved = db.mailTokens.find_one({"purpose": "email-void"})
    with pytest.raises(TokenInvalid):
        email_voids.void_change(db, token, effect + 7 * DAY)
    db.mailTokens.replace_one({"_id": saved["_id"]}, saved)
    outcome = email_voids.void_change(db, token, effect + 7 * DAY - timedelta(minutes=1))
    assert outcome is email_voids.Outcome.RESTORED


def test_the_owners_link_undoes_all_changes_since_and_the_thiefs_link_nothing(
    client, app, mailing, ann, db
):
    change_and_verify(client, app, ann, NEW)
    change_and_verify(client, app, ann, OTHER)
    owners, thiefs = read_tokens(app, VOID)
    assert [mail["to"] for mail in read_mails(app, VOID)] == [ANN["email"], NEW]
    assert void(client, owners).status_code == 200
    assert db.users.find_one()["email"] == ANN["email"]
    assert void(client, thiefs).json["code"] == "token_invalid"
    assert db.users.find_one()["email"] == ANN["email"]


def test_the_owners_link_still_works_after_the_thiefs(client, app, mailing, ann, db):
    change_and_verify(client, app, ann, NEW)
    change_and_verify(client, app, ann, OTHER)
    owners, thiefs = read_tokens(app, VOID)
    assert void(client, thiefs).status_code == 200
    assert db.users.find_one()["email"] == NEW
    assert void(client, owners).status_code == 200
    assert db.users.find_one()["email"] == ANN["email"]


def test_a_change_back_is_a_change_and_the_first_link_undoes_both(client, app, mailing, ann, db):
    change_and_verify(client, app, ann, NEW)
    change_and_verify(client, app, ann, ANN["email"])
    assert db.users.find_one()["claimedEmailKeys"] == ["ann@example.org", "new@example.org"]
    owners, thiefs = read_tokens(app, VOID)
    assert void(client, owners).status_code == 200
    assert void(client, thiefs).json["code"] == "token_invalid"
    assert db.users.find_one()["email"] == ANN["email"]


def test_nobody_else_gets_an_address_while_it_can_be_put_back(client, app, mailing, ann, db):
    change_and_verify(client, app, ann, NEW)
    squatter = {**BOB, "email": ANN["email"]}
    refused = client.post("/api/auth/register", json=squatter)
    assert (refused.status_code, refused.json["code"]) == (409, "email_taken")
    bob = register(client, BOB)
    change(client, bob, ANN["email"])
    assert verify(client, read_token(app, VERIFY)).json["code"] == "email_taken"
    assert email_voids.finish_interrupted(db, utc_now() + 7 * DAY) >= 1
    assert client.post("/api/auth/register", json={**squatter, "name": "B"}).status_code == 201


def test_a_reset_drops_a_pending_address_and_tells_the_owner(client, app, mailing, ann, db):
    change(client, ann, NEW)
    verifying, voiding = read_token(app, VERIFY), read_token(app, VOID)
    token = {"userId": ObjectId(ann["id"]), "name": "x", "createdAt": utc_now()}
    token |= {"prefix": "evt_", "scopes": []}
    programs = [{**token, "secretHash": f"{number}"} for number in range(2)]
    db.apiTokens.insert_many([*programs, {**token, "secretHash": "2", "deviceEventId": 1}])
    client.post("/api/auth/forgot-password", json={"email": ANN["email"]})
    body = {"token": read_token(app, "password_reset"), "newPassword": "battery staple"}
    assert client.post("/api/auth/reset-password", json=body).status_code == 200
    assert verify(client, verifying).json["code"] == "token_invalid"
    assert void(client, voiding).json["code"] == "token_invalid"
    (mail,) = read_mails(app, "password_was_reset")
    assert "- a change of your email address that was not verified yet" in mail["text"]
    assert "- 2 API tokens of your account\n- 1 door device that you" in mail["text"]
    assert db.apiTokens.count_documents({}) == 0


def test_a_reset_keeps_the_link_that_puts_the_old_address_back(client, app, mailing, ann, db):
    change_and_verify(client, app, ann, NEW)
    assert change(client, ann, OTHER).status_code == 200
    owners, later = read_tokens(app, VOID)
    client.post("/api/auth/forgot-password", json={"email": NEW})
    body = {"token": read_token(app, "password_reset"), "newPassword": "battery staple"}
    assert client.post("/api/auth/reset-password", json=body).status_code == 200
    assert void(client, later).json["code"] == "token_invalid"
    assert void(client, owners).status_code == 200
    assert db.users.find_one()["email"] == ANN["email"]


def test_a_reset_link_that_was_mailed_to_the_old_address_ends_with_it(client, app, mailing, ann):
    client.post("/api/auth/forgot-password", json={"email": ANN["email"]})
    body = {"token": read_token(app, "password_reset"), "newPassword": "battery staple"}
    change_and_verify(client, app, ann, NEW)
    assert client.post("/api/auth/reset-password", json=body).json["code"] == "token_invalid"


def test_an_account_of_an_older_version_changes_its_address(client, app, mailing, ann, db):
    db.users.update_one({}, {"$unset": {"claimedEmailKeys": "", "emailVerified": ""}})
    change_and_verify(client, app, ann, NEW)
    assert db.users.find_one()["claimedEmailKeys"] == ["new@example.org", "ann@example.org"]
    assert void(client, read_token(app, VOID)).status_code == 200
    user = db.users.find_one()
    assert (user["email"], user["emailVerified"]) == (ANN["email"], True)


def test_the_number_of_addresses_to_put_back_is_limited(client, app, mailing, ann, db):
    change_and_verify(client, app, ann, NEW)
    (left,) = db.users.find_one()["emailChanges"]["previous"]
    many = [left] * email_rules.MAX_PREVIOUS
    db.users.update_one({}, {"$set": {"emailChanges.previous": many}})
    refused = change(client, ann, OTHER)
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 6 * 86400


@pytest.mark.parametrize("failpoint", ["void-link-used", "email-restored", "void-sessions-ended"])
def test_the_address_is_put_back_after_a_process_died(client, app, mailing, ann, db, failpoint):
    change_and_verify(client, app, ann, NEW)
    token = read_token(app, VOID)
    die_at(failpoint, lambda: email_voids.void_change(db, token, utc_now()))
    assert email_voids.finish_interrupted(db, utc_now() + timedelta(seconds=50)) == 0
    assert email_voids.finish_interrupted(db, utc_now() + timedelta(seconds=70)) == 1
    assert email_voids.finish_interrupted(db, utc_now() + timedelta(seconds=70)) == 0
    assert db.users.find_one()["email"] == ANN["email"]
    assert db.sessions.count_documents({}) == 0
