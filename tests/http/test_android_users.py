"""The account routes of the Android app, whose user id is a capability instead of a token."""

import time
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from itsdangerous import URLSafeTimedSerializer

from eventapp.core.http.app_context import CONFIG
from tests.factories import bearer, utc_now
from tests.http.gson import BASE, decode_user

PERSON = {"name": "Maria", "email": "maria@example.org", "password": "secret"}


def register(client: Any, **changes: Any) -> dict[str, Any]:
    answer = client.post(BASE + "users", json={**PERSON, **changes})
    assert answer.status_code == 201
    return decode_user(answer.json)


def log_in(client: Any, name: str = "Maria", password: str = "secret") -> Any:
    return client.post(BASE + "users/login", json={"name": name, "password": password})


def rename(client: Any, capability: str, **body: Any) -> Any:
    return client.put(f"{BASE}users/{capability}", json=body or {"name": "Eve"})


def test_register_returns_a_flat_user_and_stores_a_hash(client, db):
    user = register(client)
    assert (user["name"], user["email"], user["about"], user["userImg"]) == (
        "Maria",
        "maria@example.org",
        "",
        "",
    )
    stored = db.users.find_one({"emailKey": "maria@example.org"})
    assert stored["role"] == "attendee"
    assert stored["passwordHash"].startswith("$2b$")
    raw = client.post(BASE + "users", json={**PERSON, "name": "M2", "email": "m2@example.org"})
    assert b"$2b$" not in raw.data
    assert b"secret" not in raw.data


def test_register_ignores_the_other_fields_of_the_model(client, db):
    extra = {"_id": "", "userImg": "", "about": "x", "__v": 0, "createdAt": "", "role": "admin"}
    user = register(client, **extra)
    assert user["name"] == "Maria"
    assert db.users.find_one({"name": "Maria"})["role"] == "attendee"


def test_register_refuses_a_taken_name_or_email(client, db):
    register(client)
    name = client.post(BASE + "users", json={**PERSON, "name": "MARIA", "email": "x@example.org"})
    email = client.post(
        BASE + "users", json={**PERSON, "name": "Other", "email": "MARIA@example.org"}
    )
    assert (name.status_code, name.json["code"]) == (409, "name_taken")
    assert (email.status_code, email.json["code"]) == (409, "email_taken")
    assert db.users.count_documents({}) == 1


@pytest.mark.parametrize(
    "change",
    [{"password": "12345"}, {"password": "x" * 73}, {"email": "no"}, {"name": ""}, {"name": 5}],
)
def test_register_refuses_invalid_fields(client, db, change):
    assert client.post(BASE + "users", json={**PERSON, **change}).status_code == 400
    assert db.users.count_documents({}) == 0


def test_login_by_name_returns_the_user(client):
    register(client)
    user = decode_user(log_in(client).json)
    assert (user["name"], user["email"]) == ("Maria", "maria@example.org")
    assert log_in(client).status_code == 200


def test_all_wrong_credentials_get_the_same_answer(client):
    register(client)
    wrong, unknown = log_in(client, password="wrong!"), log_in(client, name="Nobody")
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json == unknown.json
    assert log_in(client, name="").status_code == 400


def test_the_id_of_a_login_changes_the_profile(client, db):
    register(client)
    capability = log_in(client).json["_id"]
    answer = rename(client, capability, name="Maria K", email="mk@example.org", about="Hi\nthere")
    user = decode_user(answer.json)
    assert (answer.status_code, user["about"]) == (200, "Hi\nthere")
    stored = db.users.find_one({})
    assert (stored["name"], stored["email"]) == ("Maria K", "mk@example.org")
    assert log_in(client, name="Maria K").status_code == 200
    assert rename(client, user["_id"], name="Maria").status_code == 200


def test_the_id_of_a_registration_changes_only_the_fields_of_the_profile(client, db):
    user = register(client)
    body = {"about": "x", "role": "admin", "password": "changed", "_id": "x", "__v": 3}
    assert rename(client, user["_id"], **body).json["about"] == "x"
    assert db.users.find_one({})["role"] == "attendee"
    assert log_in(client).status_code == 200


def test_changing_the_profile_refuses_a_taken_name_or_email(client, db):
    register(client)
    other = register(client, name="Other", email="other@example.org")["_id"]
    assert rename(client, other, name="maria").json["code"] == "name_taken"
    assert rename(client, other, email="maria@example.org").json["code"] == "email_taken"
    assert db.users.find_one({"name": "Other"})["email"] == "other@example.org"
    assert rename(client, other, email="not one").status_code == 400
    assert rename(client, other, name=None).status_code == 400


def test_every_other_id_is_refused(client, app, db, attendee):
    register(client)
    user = db.users.find_one({"name": "Maria"})
    session = str(db.sessions.find_one({"userId": user["_id"]})["_id"])
    secret = CONFIG.get(app).jwt_secret
    access = attendee["headers"]["Authorization"].removeprefix("Bearer ")
    bad = [str(user["_id"]), session, str(ObjectId()), "x", "a.b.c", "%00", access]
    bad.append(URLSafeTimedSerializer("x" * 40, salt="android-profile").dumps(session))
    bad.append(URLSafeTimedSerializer(secret, salt="another").dumps(session))
    for capability in bad:
        answer = rename(client, capability)
        assert (answer.status_code, answer.json["code"]) == (401, "unauthorized"), capability
    assert rename(client, str(user["_id"])).json["message"] == "Log in again to change the profile"
    assert db.users.find_one({"_id": user["_id"]})["name"] == "Maria"


def test_a_capability_with_one_changed_letter_is_refused(client, db):
    capability = register(client)["_id"]
    for index in (0, len(capability) // 2, len(capability) - 2):
        letter = "A" if capability[index] != "A" else "B"
        assert (
            rename(client, capability[:index] + letter + capability[index + 1 :]).status_code == 401
        )
    assert rename(client, capability).status_code == 200


def test_a_capability_is_no_bearer_token(client, db):
    capability = register(client)["_id"]
    headers = {"Authorization": f"Bearer {capability}"}
    assert client.get("/api/auth/profile", headers=headers).status_code == 401
    assert client.get(f"/api/users/{capability}", headers=headers).status_code in (400, 401)
    refresh = client.post("/api/auth/refresh", json={"refreshToken": capability})
    assert refresh.status_code == 401


def test_a_capability_expires(client, app, db, monkeypatch):
    capability = register(client)["_id"]
    lifetime = CONFIG.get(app).jwt_refresh_expires_in.total_seconds()
    real = time.time
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: real() + lifetime + 2)
    assert rename(client, capability).status_code == 401


def test_a_capability_ends_with_its_session(client, db):
    capability = register(client)["_id"]
    db.sessions.update_many({}, {"$set": {"expiresAt": utc_now() - timedelta(seconds=1)}})
    assert rename(client, capability).status_code == 401


def test_a_capability_ends_when_the_password_is_changed_elsewhere(client, db):
    capability = register(client, password="longer password")["_id"]
    login = {"email": "maria@example.org", "password": "longer password"}
    token = client.post("/api/auth/login", json=login).json["token"]
    change = {"currentPassword": "longer password", "newPassword": "another password"}
    changed = client.put(
        "/api/auth/change-password", json=change, headers={"Authorization": f"Bearer {token}"}
    )
    assert changed.status_code == 200
    assert rename(client, capability).status_code == 401
    assert log_in(client, password="longer password").status_code == 401
    again = log_in(client, password="another password").json["_id"]
    assert rename(client, again).status_code == 200


def test_a_capability_ends_with_the_account(client, db, admin):
    capability = register(client)["_id"]
    user_id = db.users.find_one({"name": "Maria"})["_id"]
    assert client.delete(f"/api/users/{user_id}", headers=admin["headers"]).status_code == 200
    assert rename(client, capability).status_code == 401
    assert log_in(client).status_code == 401


def test_answers_with_a_capability_are_not_cached(client):
    register(client)
    assert log_in(client).headers["Cache-Control"] == "private, no-store"


def test_of_two_accounts_with_one_name_the_second_logs_in_by_its_email(client):
    register(client)
    second = {**PERSON, "email": "second@example.org", "password": "second password"}
    assert client.post("/api/auth/register", json=second).status_code == 201
    answer = log_in(client, "Second@Example.org", "second password")
    assert answer.status_code == 200
    assert decode_user(answer.json)["email"] == "second@example.org"
    assert decode_user(log_in(client).json)["email"] == "maria@example.org"
    assert log_in(client, "second@example.org", "secret").status_code == 401


def test_an_older_name_with_an_at_sign_still_logs_in(client, db):
    register(client)
    named = {"name": "maria@home", "nameKey": "maria@home", "loginName": "maria@home"}
    db.users.update_one({"email": "maria@example.org"}, {"$set": named})
    answer = log_in(client, "Maria@home")
    assert answer.status_code == 200
    edited = rename(client, decode_user(answer.json)["_id"], name="maria@home", about="kept")
    assert edited.status_code == 200


def test_the_owner_of_an_email_comes_before_an_older_name(client, db):
    register(client)
    register(client, name="Other", email="other@example.org", password="another")
    named = {"nameKey": "maria@example.org", "loginName": "maria@example.org"}
    db.users.update_one({"name": "Other"}, {"$set": {"name": "maria@example.org", **named}})
    assert log_in(client, "maria@example.org").status_code == 200
    assert log_in(client, "maria@example.org", "another").status_code == 401


@pytest.mark.parametrize("name", ["maria@home", "maria\uff20home", "@"])
def test_no_route_takes_a_new_name_with_an_at_sign(client, db, admin, name):
    user = register(client)
    new = {**PERSON, "name": name, "email": "new@example.org", "password": "long enough"}
    signed_in = client.post("/api/auth/register", json={**new, "name": "New"}).json
    own = bearer(signed_in["token"])
    path = f"/api/users/{signed_in['user']['_id']}"
    answers = [
        client.post("/api/auth/register", json=new),
        client.post("/api/users", json={**new, "username": name}),
        client.post("/api/auth/create-admin", json=new, headers=admin["headers"]),
        client.put("/api/auth/profile", json={"name": name}, headers=own),
        client.put(path, json={"name": name}, headers=admin["headers"]),
        client.post(BASE + "users", json=new),
        rename(client, user["_id"], name=name),
    ]
    assert [answer.status_code for answer in answers] == [400] * len(answers)
    assert db.users.count_documents({"name": name}) == 0
