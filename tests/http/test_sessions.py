"""Users see their sessions, and end one of them at once."""

from datetime import timedelta

import pytest
from bson import ObjectId

from eventapp.accounts import rules, sessions
from eventapp.core.clock import utc_now
from tests.factories import bearer
from tests.http.gson import BASE

ANN = {"name": "Ann", "email": "ann@example.org", "password": "correct horse"}
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
PHONE += "Gecko) Version/18.5 Mobile/15E148 Safari/604.1"


def log_in(client, user_agent="", path="/api/auth/login"):
    body = {"name": ANN["name"], "password": ANN["password"]}
    return client.post(path, json=body, headers={"User-Agent": user_agent}).json


def show(client, token):
    answer = client.get("/api/auth/sessions", headers=bearer(token))
    assert answer.status_code == 200
    return answer.json["sessions"]


@pytest.fixture
def ann(client):
    return client.post("/api/auth/register", json=ANN, headers={"User-Agent": FIREFOX}).json


def test_a_user_sees_all_sessions_newest_first(client, ann):
    phone = log_in(client, PHONE)
    log_in(client, "okhttp/4.12.0", BASE + "users/login")
    client.post("/api/auth/register", json={**ANN, "name": "Bob", "email": "bob@example.org"})
    shown = show(client, phone["token"])
    assert [each["client"] for each in shown] == [
        "Android app",
        "Safari on iPhone",
        "Firefox on Linux",
    ]
    assert [each["current"] for each in shown] == [False, True, False]
    fields = {"sessionId", "current", "createdAt", "lastUsedAt", "client"}
    assert all(set(each) == fields for each in shown)


def test_a_session_is_ended_at_once(client, ann):
    other = log_in(client)
    by_id = {each["current"]: each["sessionId"] for each in show(client, ann["token"])}
    path = f"/api/auth/sessions/{by_id[False]}"
    assert client.delete(path, headers=bearer(ann["token"])).status_code == 200
    refused = client.get("/api/auth/profile", headers=bearer(other["token"]))
    assert (refused.status_code, refused.json["code"]) == (401, "token_revoked")
    refreshed = client.post("/api/auth/refresh", json={"refreshToken": other["refreshToken"]})
    assert refreshed.status_code == 401
    again = client.delete(path, headers=bearer(ann["token"]))
    assert (again.status_code, again.json["code"]) == (404, "session_not_found")
    assert len(show(client, ann["token"])) == 1


def test_the_capability_of_the_android_app_ends_with_its_session(client, ann):
    capability = log_in(client, "okhttp/4.12.0", BASE + "users/login")["_id"]
    app_session = show(client, ann["token"])[0]["sessionId"]
    client.delete(f"/api/auth/sessions/{app_session}", headers=bearer(ann["token"]))
    assert client.put(f"{BASE}users/{capability}", json={"about": "x"}).status_code == 401


def test_the_session_of_another_user_is_not_found(client, db, ann):
    bob = client.post("/api/users", json={**ANN, "name": "Bob", "email": "bob@example.org"}).json
    (session,) = show(client, bob["token"])
    for session_id in (session["sessionId"], ObjectId()):
        answer = client.delete(f"/api/auth/sessions/{session_id}", headers=bearer(ann["token"]))
        assert (answer.status_code, answer.json["code"]) == (404, "session_not_found")
    assert db.sessions.count_documents({}) == 2


def test_sessions_that_have_expired_are_not_shown(client, db, ann):
    log_in(client)
    past = {"$set": {"expiresAt": utc_now() - timedelta(seconds=1)}}
    db.sessions.update_one({"client": ""}, past)
    assert [each["client"] for each in show(client, ann["token"])] == ["Firefox on Linux"]


def test_the_last_use_is_recorded_every_five_minutes(client, db, ann):
    reader, session = sessions.SessionReader(), db.sessions.find_one()
    opened = session["lastUsedAt"]
    uses = []
    for minutes in (1, 4, 6, 8, 12):
        reader.load_session(
            db, session["_id"], session["userId"], opened + timedelta(minutes=minutes)
        )
        last = db.sessions.find_one()["lastUsedAt"]
        uses.append((last - opened).total_seconds() / 60)
    assert uses == [0, 0, 6, 6, 12]
    reader.load_session(
        db, session["_id"], session["userId"], opened + timedelta(minutes=7)
    )  # a slower clock
    assert db.sessions.find_one()["lastUsedAt"] == opened + timedelta(minutes=12)


def test_a_session_of_an_older_version_is_shown_and_used(client, db, ann):
    fields = {"lastUsedAt": "", "client": ""}
    db.sessions.update_one({}, {"$unset": fields})
    (session,) = show(client, ann["token"])
    assert (session["client"], session["current"]) == ("", True)
    assert "lastUsedAt" in db.sessions.find_one()


@pytest.mark.parametrize(
    ("user_agent", "client"),
    [
        ("", ""),
        (FIREFOX, "Firefox on Linux"),
        (PHONE, "Safari on iPhone"),
        ("okhttp/4.12.0", "Android app"),
        ("curl/8.5.0", "curl"),
        ("python-requests/2.32.3", "python-requests"),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Chrome/138.0.0.0 Safari/537.36 Edg/138.0.0.0",
            "Edge on Windows",
        ),
        (
            "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Chrome/138.0.0.0 Mobile Safari/537.36",
            "Chrome on Android",
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like "
            "Gecko) Version/18.5 Safari/605.1.15",
            "Safari on Mac",
        ),
        ("Mozilla/5.0 (compatible; Something)", "Mozilla"),
        ("<script>alert(1)</script>", ""),
        ("x" * 5000, "x" * 40),
    ],
)
def test_a_user_agent_is_shown_in_a_short_form(user_agent, client):
    assert rules.describe_client(user_agent) == client
