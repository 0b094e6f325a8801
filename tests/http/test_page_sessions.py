"""Page sessions: their cookie, their ends, and the access tokens that scripts get."""

import hashlib
from datetime import timedelta

import pytest

from eventapp.accounts import page_sessions, rules, sessions
from eventapp.accounts.errors import TokenReused
from eventapp.core.access.form_tokens import is_form_token, make_form_token
from eventapp.core.access.passwords import hash_password
from eventapp.core.clock import utc_now
from eventapp.core.logging import redact_secrets
from eventapp.pages.page_session import choose_next
from tests.factories import bearer, make_user
from tests.page_sessions import (
    COOKIE,
    FROM_PAGE,
    ORIGIN,
    SECURE_COOKIE,
    find_cookie,
    make_browser,
    open_page_session,
)

TOKEN = "/account/token"
DAY = timedelta(days=1)
PASSWORD = "correct horse"


@pytest.fixture
def ann(app, db):
    user = make_user(app)
    hashed = {"passwordHash": hash_password(PASSWORD, 4)}
    db.users.update_one({"_id": user["id"]}, {"$set": hashed})
    return user


@pytest.fixture
def browser(app, ann):
    return make_browser(app, ann)


def find_active(db, session):
    return sessions.find_active_session(db, session["_id"], utc_now())


def get_token(browser, **headers):
    return browser.post(TOKEN, headers={**FROM_PAGE, **headers})


def test_a_script_gets_an_access_token_of_the_session(browser, client, ann):
    answer = get_token(browser)
    assert answer.status_code == 200
    assert set(answer.json) == {"accessToken", "expiresAt", "user"}
    assert set(answer.json["user"]) == {
        *("_id", "name", "email", "emailVerified", "role", "language"),
    }
    assert answer.headers["Cache-Control"] == "private, no-store"
    headers = bearer(answer.json["accessToken"])
    profile = client.get("/api/auth/profile", headers=headers).json
    assert profile["_id"] == answer.json["user"]["_id"] == str(ann["id"])
    (shown,) = [
        each
        for each in client.get("/api/auth/sessions", headers=headers).json["sessions"]
        if each["current"]
    ]
    # Ending it in the list of sessions ends the token and the cookie at once.
    ended = client.delete(f"/api/auth/sessions/{shown['sessionId']}", headers=headers)
    assert ended.status_code == 200
    assert client.get("/api/auth/profile", headers=headers).status_code == 401
    refused = get_token(browser)
    assert (refused.status_code, refused.json["code"]) == (401, "signed_out")


@pytest.mark.parametrize(
    "origin",
    [None, "null", "https://evil.example", f"{ORIGIN}.evil.example", "https://localhost", ""],
)
def test_no_other_origin_gets_a_token(browser, origin):
    answer = browser.post(TOKEN, headers={"Origin": origin} if origin is not None else {})
    assert (answer.status_code, answer.json["code"]) == (403, "form_refused")


def test_two_origins_are_refused(browser):
    answer = browser.post(TOKEN, headers=[("Origin", ORIGIN), ("Origin", "https://evil.example")])
    assert answer.status_code in (400, 403)


def test_no_other_origin_reads_the_answer(browser):
    """In development, all origins may use the API."""
    answers = [
        get_token(browser),
        browser.post(TOKEN, headers={"Origin": "https://evil.example"}),
        browser.options(
            TOKEN,
            headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"},
        ),
    ]
    for answer in answers:
        assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]
    allowed = browser.get("/api/events", headers={"Origin": "https://evil.example"})
    assert allowed.headers["Access-Control-Allow-Origin"] == "*"


def test_a_token_needs_no_body_and_a_cookie(browser, client):
    assert browser.post(TOKEN, json={"a": 1}, headers=FROM_PAGE).status_code == 400
    assert browser.get(TOKEN).status_code == 405
    for cookie in (None, "", "evs_unknown", "x" * 4000, "\u03c8"):
        if cookie is not None:
            client.set_cookie(COOKIE, cookie)
        refused = get_token(client)
        assert (refused.status_code, refused.json["code"]) == (401, "signed_out")


def test_the_api_ignores_the_cookie(browser, db):
    assert browser.get("/api/auth/profile").status_code == 401
    assert browser.get("/api/bookings").status_code == 401
    assert browser.post("/api/auth/logout", json={"everywhere": True}).status_code == 401
    assert browser.get("/api/events").status_code == 200
    assert get_token(browser).status_code == 200
    # An access token in place of the cookie is none of a page.
    token = get_token(browser).json["accessToken"]
    browser.delete_cookie(COOKIE)
    assert get_token(browser, **bearer(token)).status_code == 401


def test_the_database_has_the_hash_alone_and_no_refresh_token(app, db, ann):
    secret = open_page_session(app, ann)
    stored = db.sessions.find_one({"pageSecretHash": hashlib.sha256(secret.encode()).hexdigest()})
    assert secret.startswith("evs_")
    assert len(secret) == 4 + 43
    assert "refreshId" not in stored
    assert secret not in str(stored)
    exported = sessions.export_sessions(db, ann["id"])
    assert all("pageSecretHash" not in each for each in exported)


def test_a_refresh_token_made_for_a_page_session_is_refused(app, db, client, ann):
    """Without the field, no refresh id fits: not even none."""
    open_page_session(app, ann)
    session = db.sessions.find_one({"pageSecretHash": {"$exists": True}})
    for refresh_id in ("", "None"):
        with pytest.raises(TokenReused):
            sessions.refresh_session(db, session["_id"], refresh_id, now=utc_now(), lifetime=DAY)
        assert find_active(db, session) is None
        db.sessions.insert_one(session)


def test_use_postpones_the_end_to_the_minute(app, db, ann):
    began = utc_now() - 10 * DAY
    secret = open_page_session(app, ann, now=began, lifetime=11 * DAY)

    def find(now):
        return page_sessions.find_session(db, secret, now=now, lifetime=11 * DAY)

    now = utc_now()
    assert find(now).is_extended
    stored = db.sessions.find_one({"pageSecretHash": {"$exists": True}})
    assert stored["expiresAt"] == now + 11 * DAY
    assert stored["lastUsedAt"] == now
    # A use shortly afterwards writes nothing.
    soon = now + rules.USE_RESOLUTION / 2
    assert not find(soon).is_extended
    assert db.sessions.find_one({"_id": stored["_id"]}) == stored
    assert find(now + 12 * DAY) is None


def test_the_cookie_is_sent_again_when_the_end_is_postponed(app, db, client, ann):
    secret = open_page_session(app, ann, now=utc_now() - DAY)
    client.set_cookie(COOKIE, secret)
    cookie = find_cookie(get_token(client))
    assert cookie.startswith(f"{COOKIE}={secret};")
    parts = {part.strip() for part in cookie.split(";")[1:]}
    assert {"HttpOnly", "Path=/", "SameSite=Lax", f"Max-Age={30 * 86400}"} <= parts
    assert not {"Secure"} & parts
    assert "Domain" not in cookie
    assert find_cookie(get_token(client)) == ""


@pytest.mark.parametrize(
    ("settings", "headers", "origin"),
    [
        ({"PUBLIC_BASE_URL": "https://Tickets.Example:443/"}, {}, "https://tickets.example"),
        (
            {"TRUSTED_PROXIES": "1"},
            {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "tickets.example"},
            "https://tickets.example",
        ),
    ],
    ids=["PUBLIC_BASE_URL", "proxy"],
)
def test_on_https_the_cookie_is_bound_to_the_host_and_secure(make_app, settings, headers, origin):
    app = make_app(**settings)
    secret = open_page_session(app, make_user(app), now=utc_now() - DAY)
    client = app.test_client(use_cookies=False)
    # The name without the prefix is ignored: another host of the domain could set it.
    assert (
        client.post(
            TOKEN, headers={**headers, "Origin": origin, "Cookie": f"{COOKIE}={secret}"}
        ).status_code
        == 401
    )
    answer = client.post(
        TOKEN, headers={**headers, "Origin": origin, "Cookie": f"{SECURE_COOKIE}={secret}"}
    )
    assert answer.status_code == 200
    parts = {part.strip() for part in find_cookie(answer, SECURE_COOKIE).split(";")[1:]}
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= parts
    other = {**headers, "Origin": "http://localhost", "Cookie": f"{SECURE_COOKIE}={secret}"}
    assert client.post(TOKEN, headers=other).status_code == 403


def test_a_proxy_that_is_not_trusted_changes_nothing(browser):
    answer = get_token(
        browser, **{"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"}
    )
    assert answer.status_code == 200


def test_a_password_change_ends_the_other_page_sessions(app, client, ann):
    here, there = make_browser(app, ann), make_browser(app, ann)
    headers = bearer(get_token(here).json["accessToken"])
    body = {"currentPassword": PASSWORD, "newPassword": "battery staple"}
    changed = client.put("/api/auth/change-password", json=body, headers=headers)
    assert changed.status_code == 200
    assert get_token(here).status_code == 200
    assert get_token(there).status_code == 401
    everywhere = client.post("/api/auth/logout", json={"everywhere": True}, headers=headers)
    assert everywhere.status_code == 200
    assert get_token(here).status_code == 401


def test_the_session_of_an_erased_account_ends(app, client, ann, browser):
    headers = bearer(get_token(browser).json["accessToken"])
    assert client.delete(f"/api/users/{ann['id']}", headers=headers).status_code == 200
    assert get_token(browser).status_code == 401


def test_the_role_of_the_session_follows_the_account(app, client, ann, browser, admin):
    body = {"role": "organizer"}
    changed = client.put(f"/api/users/{ann['id']}", json=body, headers=admin["headers"])
    assert changed.status_code == 200
    assert get_token(browser).json["user"]["role"] == "organizer"


def test_the_secret_is_hidden_in_logs(app, ann):
    secret = open_page_session(app, ann)
    line = redact_secrets(None, "info", {"event": f"Cookie {COOKIE}={secret}; a=b"})
    assert line == {"event": f"Cookie {COOKIE}=[hidden]; a=b"}


def test_a_form_token_belongs_to_one_session_and_differs_on_each_page():
    one, two = make_form_token("secret", "a"), make_form_token("secret", "a")
    assert one != two
    assert is_form_token("secret", "a", one)
    assert is_form_token("secret", "a", two)
    nonce, _, signature = one.partition(".")
    for session, token in [
        ("b", one),
        ("", one),
        ("a", ""),
        ("a", "."),
        ("a", nonce),
        ("a", f"{nonce}x.{signature}"),
        ("a", f"{one}\u03c8"),
    ]:
        assert not is_form_token("secret", session, token)
    assert not is_form_token("other", "a", one)


@pytest.mark.parametrize(
    "path",
    ["/", "/e/12?lang=el", "/account/bookings", "/b/EVT-ABC234", "/search?q=%CE%B1%26b", "/a//b"],
)
def test_a_path_of_this_site_is_gone_on_to(path):
    assert choose_next(path) == path


@pytest.mark.parametrize(
    "path",
    [
        *(None, "", "e/12", "//evil.example", "/\\evil.example", "\\\\evil.example", "///evil"),
        *("https://evil.example", "javascript:alert(1)", "/%2fevil.example", "/%2F%2Fevil.example"),
        *("/%5Cevil.example", "%2F%2Fevil.example", "/\t/evil.example", "/\n/evil", " //evil"),
        *("/e/1\r\nSet-Cookie: a=b", "/account/sign-in", "/account/sign-in/?next=/e/1"),
        *("/account/sign-out", "/account/sign%2Dout", "/" + "a" * 1000, "/\u200b/evil.example"),
    ],
)
def test_no_other_path_is_gone_on_to(path):
    assert choose_next(path) == "/account"
