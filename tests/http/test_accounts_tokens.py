"""Forged, expired, revoked and reused tokens are refused, and retries of honest clients are not."""

import base64
import json
from datetime import timedelta

import jwt
import pytest
from bson import ObjectId

from eventapp.accounts import sessions, store_sessions
from eventapp.accounts.errors import TokenReused
from eventapp.core.clock import utc_now
from eventapp.core.http.app_context import CONFIG
from tests.conftest import MONGO_URI, make_database_uri
from tests.factories import bearer

ANN = {"name": "Ann", "email": "ann@example.org", "password": "correct horse"}
LIFETIME = timedelta(days=30)


@pytest.fixture
def ann(client):
    return client.post("/api/auth/register", json=ANN).json


@pytest.fixture
def secret(app):
    return CONFIG.get(app).jwt_secret


def decode_claims(token):
    return jwt.decode(token, options={"verify_signature": False})


def get_profile(client, token):
    answer = client.get("/api/auth/profile", headers=bearer(token))
    return answer.status_code, answer.json.get("code")


def refresh(client, token):
    return client.post("/api/auth/refresh", json={"refreshToken": token})


def make_unsigned_token(claims):
    def encode(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{encode({'alg': 'none', 'typ': 'JWT'})}.{encode(claims)}."


def test_an_unsigned_token_is_refused(client, ann):
    for algorithm in ("none", "None", "NONE"):
        token = make_unsigned_token(decode_claims(ann["token"])).replace("none", algorithm)
        assert get_profile(client, token) == (401, "unauthorized")


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_a_wrong_key_is_refused(client, ann, algorithm):
    token = jwt.encode(decode_claims(ann["token"]), "another secret of many bytes" * 3, algorithm)
    assert get_profile(client, token) == (401, "unauthorized")


def test_another_algorithm_under_the_right_key_is_refused(client, ann, secret):
    token = jwt.encode(decode_claims(ann["token"]), secret * 2, "HS512")
    assert get_profile(client, token) == (401, "unauthorized")


def test_an_expired_token_is_refused_with_its_own_code(client, ann, secret):
    claims = {**decode_claims(ann["token"]), "exp": int(utc_now().timestamp()) - 1}
    assert get_profile(client, jwt.encode(claims, secret, "HS256")) == (401, "token_expired")


@pytest.mark.parametrize(
    "change",
    [{"sid": None}, {"sid": "x"}, {"sid": {"$gt": ""}}, {"sub": None}, {"sub": 7}, {"type": "x"}],
)
def test_a_token_with_other_claims_is_refused(client, ann, secret, change):
    token = jwt.encode({**decode_claims(ann["token"]), **change}, secret, "HS256")
    assert get_profile(client, token)[0] == 401


@pytest.mark.parametrize(
    "header",
    ["Bearer", "Bearer ", "Bearer x", "Bearer a.b.c", "Bearer ä.ö.ü", "Basic YTpi", "x" * 5000],
)
def test_a_malformed_token_is_refused(client, header):
    answer = client.get("/api/auth/profile", headers={"Authorization": header.encode("latin-1")})
    assert answer.status_code == 401


def test_a_tampered_token_is_refused(client, ann):
    head, body, signature = ann["token"].split(".")
    claims = {**decode_claims(ann["token"]), "sub": str(ObjectId())}
    forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    assert get_profile(client, f"{head}.{forged}.{signature}") == (401, "unauthorized")
    assert get_profile(client, f"{head}.{body}.{signature[:-2]}") == (401, "unauthorized")


def test_access_and_refresh_tokens_are_not_interchangeable(client, ann):
    assert get_profile(client, ann["refreshToken"]) == (401, "unauthorized")
    assert refresh(client, ann["token"]).status_code == 401
    header = client.post("/api/auth/refresh", headers=bearer(ann["token"]))
    assert header.status_code == 401


def test_a_bad_token_is_refused_by_a_route_that_needs_none(client, ann, db):
    db.sessions.delete_many({})
    assert client.get("/api/events", headers=bearer("a.b.c")).status_code == 401
    assert client.get("/api/events", headers=bearer(ann["token"])).status_code == 401
    assert client.get("/api/events").status_code == 200


def test_tokens_have_the_lifetimes_of_the_settings(ann):
    for name, seconds in (("accessToken", 15 * 60), ("refreshToken", 30 * 24 * 3600)):
        claims = decode_claims(ann[name])
        assert claims["exp"] - claims["iat"] == seconds


def test_an_expired_session_is_refused_before_the_database_deletes_it(client, ann, db):
    db.sessions.update_one({}, {"$set": {"expiresAt": utc_now() - timedelta(seconds=1)}})
    assert get_profile(client, ann["token"]) == (401, "token_revoked")
    assert refresh(client, ann["refreshToken"]).json["code"] == "token_revoked"


def test_the_tokens_of_a_deleted_user_are_refused(client, ann):
    path = f"/api/users/{ann['user']['_id']}"
    assert client.delete(path, headers=bearer(ann["token"])).status_code == 200
    assert get_profile(client, ann["token"]) == (401, "token_revoked")
    assert refresh(client, ann["refreshToken"]).json["code"] == "token_revoked"


@pytest.mark.parametrize("in_body", [True, False])
def test_refresh_returns_new_tokens(client, ann, db, in_body):
    token = ann["refreshToken"]
    sent = {"json": {"refreshToken": token}} if in_body else {"headers": bearer(token)}
    answer = client.post("/api/auth/refresh", **sent)
    assert answer.status_code == 200
    assert set(answer.json) == {"accessToken", "refreshToken", "token"}
    assert get_profile(client, answer.json["token"]) == (200, None)
    assert get_profile(client, ann["token"]) == (200, None)  # It stays valid until it expires.
    assert db.sessions.count_documents({}) == 1
    assert refresh(client, answer.json["refreshToken"]).status_code == 200


def test_refresh_without_a_valid_token_is_refused(client):
    assert client.post("/api/auth/refresh").status_code == 401
    assert client.post("/api/auth/refresh", json={"refreshToken": 7}).status_code == 400


def test_a_reused_refresh_token_ends_only_its_own_session(client, ann):
    other = client.post("/api/auth/login", json={"name": "Ann", "password": ANN["password"]}).json
    second = refresh(client, ann["refreshToken"]).json
    third = refresh(client, second["refreshToken"]).json
    reused = refresh(client, ann["refreshToken"])
    assert (reused.status_code, reused.json["code"]) == (401, "token_reused")
    for pair in (second, third):
        assert get_profile(client, pair["token"]) == (401, "token_revoked")
        assert refresh(client, pair["refreshToken"]).status_code == 401
    assert get_profile(client, other["token"]) == (200, None)


def test_a_retry_after_a_lost_answer_gets_the_same_successor(client, ann):
    lost = refresh(client, ann["refreshToken"]).json
    again = refresh(client, ann["refreshToken"])
    assert again.status_code == 200
    ids = [decode_claims(each["refreshToken"])["rid"] for each in (lost, again.json)]
    assert ids[0] == ids[1]
    assert get_profile(client, again.json["token"]) == (200, None)
    assert refresh(client, again.json["refreshToken"]).status_code == 200


@pytest.mark.parametrize("use", ["token", "refreshToken"])
def test_the_old_token_counts_as_reused_once_its_successor_was_used(client, ann, use):
    successor = refresh(client, ann["refreshToken"]).json
    if use == "token":
        assert get_profile(client, successor["token"]) == (200, None)
    else:
        assert refresh(client, successor["refreshToken"]).status_code == 200
    assert refresh(client, ann["refreshToken"]).json["code"] == "token_reused"
    assert get_profile(client, successor["token"]) == (401, "token_revoked")


def test_using_the_old_access_token_still_allows_a_retry(client, ann):
    refresh(client, ann["refreshToken"])
    assert get_profile(client, ann["token"]) == (200, None)
    assert refresh(client, ann["refreshToken"]).status_code == 200


def test_a_retry_is_allowed_for_five_seconds(client, ann, db):
    claims = decode_claims(ann["refreshToken"])
    session_id, refresh_id, now = ObjectId(claims["sid"]), claims["rid"], utc_now()

    def refresh_after(seconds):
        later = now + timedelta(seconds=seconds)
        return sessions.refresh_session(db, session_id, refresh_id, now=later, lifetime=LIFETIME)

    first = refresh_after(0)
    assert refresh_after(5)["refreshId"] == first["refreshId"]
    with pytest.raises(TokenReused):
        refresh_after(5.001)
    assert db.sessions.count_documents({}) == 0


def test_using_new_tokens_costs_one_write_for_each_refresh(client, ann, db, monkeypatch):
    calls = []
    original = store_sessions.forget_previous_token
    monkeypatch.setattr(
        store_sessions,
        "forget_previous_token",
        lambda *arguments: (calls.append(arguments), original(*arguments)),
    )
    token = refresh(client, ann["refreshToken"]).json["token"]
    for _ in range(3):
        assert get_profile(client, token) == (200, None)
    assert len(calls) == 1


@pytest.mark.skipif(not MONGO_URI, reason="processes share a server: set MONGO_URI")
@pytest.mark.parametrize("ending", ["logout", "password", "delete"])
def test_a_session_that_ended_is_refused_by_every_server(make_app, ending):
    shared = {
        "MONGO_URI": make_database_uri(MONGO_URI),
        "JWT_SECRET": "a long secret that both servers share",
    }
    here, there = (make_app(**shared).test_client() for _ in range(2))
    ann = here.post("/api/auth/register", json=ANN).json
    other = there.post("/api/auth/login", json={"name": "Ann", "password": ANN["password"]}).json
    headers = bearer(ann["token"])
    assert get_profile(there, ann["token"]) == get_profile(here, other["token"]) == (200, None)
    if ending == "logout":
        here.post("/api/auth/logout", json={"everywhere": True}, headers=headers)
    elif ending == "password":
        body = {"currentPassword": ANN["password"], "newPassword": "a new password"}
        here.put("/api/auth/change-password", json=body, headers=headers)
    else:
        here.delete(f"/api/users/{ann['user']['_id']}", headers=headers)
    for server in (here, there):
        assert get_profile(server, other["token"]) == (401, "token_revoked")
    assert (get_profile(there, ann["token"]) == (200, None)) is (ending == "password")


def test_a_changed_role_applies_at_once(client, ann, admin):
    path = f"/api/users/{ann['user']['_id']}"
    body = {"title": "x"}
    assert client.post("/api/events", json=body, headers=bearer(ann["token"])).status_code == 403
    client.put(path, json={"role": "organizer"}, headers=admin["headers"])
    assert client.post("/api/events", json=body, headers=bearer(ann["token"])).status_code == 400
    client.put(path, json={"role": "attendee"}, headers=admin["headers"])
    assert client.post("/api/events", json=body, headers=bearer(ann["token"])).status_code == 403


def test_a_login_during_a_change_of_role_opens_a_session_with_the_new_role(client, ann, db):
    user = db.users.find_one()
    db.users.update_one({}, {"$set": {"role": "organizer"}})
    session = sessions.open_session(db, user, now=utc_now(), lifetime=LIFETIME)
    assert session["role"] == "organizer"
    own_session = ObjectId(decode_claims(ann["token"])["sid"])
    assert list(db.sessions.find({"_id": {"$ne": own_session}})) == [session]


def test_repeating_a_change_of_role_that_died_repairs_the_sessions(client, ann, db, admin):
    db.users.update_one({"name": "Ann"}, {"$set": {"role": "organizer"}})
    path = f"/api/users/{ann['user']['_id']}"
    body = {"title": "x"}
    assert client.post("/api/events", json=body, headers=bearer(ann["token"])).status_code == 403
    assert client.put(path, json={"role": "organizer"}, headers=admin["headers"]).status_code == 200
    assert client.post("/api/events", json=body, headers=bearer(ann["token"])).status_code == 400
