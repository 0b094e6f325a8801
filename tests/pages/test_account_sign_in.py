"""Signing in, up and out on pages, without a script: forms, their refusals, and the cookie."""

import re

import pytest

from tests.factories import make_user
from tests.page_sessions import (
    COOKIE,
    FROM_PAGE,
    SECURE_COOKIE,
    find_cookie,
    open_page_session,
)

ANN = {"name": "Ann", "email": "ann@example.org", "password": "correct horse"}
SIGN_IN, SIGN_UP, SIGN_OUT = "/account/sign-in", "/account/sign-up", "/account/sign-out"
TOKEN = "/account/token"
EVIL = '"><script>alert(1)</script><b x="'


def read_form_token(client, path):
    return re.search(r'name="csrfToken" value="([^"]+)"', client.get(path).text)[1]


def send(client, path, headers=FROM_PAGE, **fields):
    """Send a form as a page of this site does."""
    token = fields.pop("csrfToken", None) or read_form_token(client, path)
    return client.post(path, data={"csrfToken": token, **fields}, headers=headers)


def sign_in(client, login="Ann", password=ANN["password"], **options):
    return send(client, SIGN_IN, login=login, password=password, **options)


def who(client):
    """Return the name of the signed-in account; None without one."""
    answer = client.post(TOKEN, headers=FROM_PAGE)
    return answer.json["user"]["name"] if answer.status_code == 200 else None


@pytest.fixture
def ann(client):
    return client.post("/api/auth/register", json=ANN).json["user"]


@pytest.mark.parametrize("path", [SIGN_IN, SIGN_UP, SIGN_OUT])
def test_a_page_with_a_form_is_stored_nowhere_and_may_send_to_this_site_alone(client, path):
    page = client.get(path)
    assert page.status_code == 200
    assert page.headers["Cache-Control"] == "private, no-store"
    assert "form-action 'self'" in page.headers["Content-Security-Policy"]
    # With `no-referrer`, browsers would name the origin `null`.
    assert page.headers["Referrer-Policy"] == "same-origin"
    assert "Set-Cookie" not in page.headers
    assert not [name for name, _ in page.headers if name.startswith("Access-Control")]


def test_somebody_signs_up_and_is_signed_in(client, db):
    answer = send(client, SIGN_UP, **ANN, role="attendee", next="/e/12?lang=el")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/e/12?lang=el")
    cookie = find_cookie(answer)
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert who(client) == "Ann"
    assert db.users.find_one()["role"] == "attendee"
    assert db.mailRequests.count_documents({"purpose": "verification"}) == 1
    assert db.sessions.count_documents({}) == 1


@pytest.mark.parametrize(("role", "place"), [("attendee", "/account"), ("organizer", "/console")])
def test_a_role_is_chosen_at_sign_up(client, db, role, place):
    answer = send(client, SIGN_UP, **ANN, role=role)
    assert (answer.status_code, answer.headers["Location"]) == (303, place)
    assert db.users.find_one()["role"] == role


def test_nobody_signs_up_as_admin(client, db):
    assert send(client, SIGN_UP, **ANN, role="admin").status_code == 400
    assert db.users.count_documents({}) == 0


def test_the_account_has_the_language_of_the_page(client, db):
    page = f"{SIGN_UP}?lang=el"
    token = read_form_token(client, page)
    answer = client.post(page, data={"csrfToken": token, **ANN}, headers=FROM_PAGE)
    assert answer.headers["Location"] == "/account?lang=el"
    assert db.users.find_one()["language"] == "el"


@pytest.mark.parametrize("login", ["Ann", "ann@example.org", " ANN@example.org "])
def test_somebody_signs_in_by_name_or_email(client, ann, login):
    answer = sign_in(client, login)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/account")
    assert who(client) == "Ann"
    # Who is signed in needs no form.
    again = client.get(f"{SIGN_IN}?next=/e/12")
    assert (again.status_code, again.headers["Location"]) == (303, "/e/12")


def test_a_wrong_password_shows_the_form_again_without_it(client, ann):
    answer = sign_in(client, password="wrong horse", next="/e/12")
    assert answer.status_code == 401
    assert answer.content_type == "text/html; charset=utf-8"
    assert "do not belong together" in answer.text
    assert 'value="Ann"' in answer.text
    assert 'name="next" value="/e/12"' in answer.text
    assert "wrong horse" not in answer.text
    assert find_cookie(answer) == ""
    unknown = sign_in(client, login="nobody@example.org", password="wrong horse")
    assert unknown.status_code == 401
    assert "do not belong together" in unknown.text


def test_refused_fields_are_named_beside_them(client, db):
    answer = send(client, SIGN_UP, name="a@b", email="nothing", password="short", next="/e/1")
    assert answer.status_code == 400
    assert answer.text.count('aria-invalid="true"') == 3
    for name in ("name", "email", "password"):
        assert f'id="{name}-error"' in answer.text
    assert 'value="a@b"' in answer.text
    assert 'value="nothing"' in answer.text
    assert "short" not in answer.text
    empty = send(client, SIGN_IN, login="", password="")
    assert empty.status_code == 400
    assert 'id="login-error"' in empty.text
    assert db.users.count_documents({}) == 0


def test_a_taken_address_is_refused(client, ann, db):
    answer = send(client, SIGN_UP, **{**ANN, "name": "Other"})
    assert answer.status_code == 409
    assert "There is an account with this email address." in answer.text
    assert 'value="Other"' in answer.text
    assert db.users.count_documents({}) == 1


def test_what_was_typed_is_escaped(client):
    answer = send(client, SIGN_UP, name=EVIL, email=EVIL, password="short", next=f"/e/1{EVIL}")
    assert EVIL not in answer.text
    assert "<script>" not in answer.text
    page = client.get(SIGN_IN, query_string={"next": f"/e/1{EVIL}", "login": EVIL, "lang": EVIL})
    assert "<script>" not in page.text


@pytest.mark.parametrize("path", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_nobody_is_led_to_another_site(client, ann, path):
    assert sign_in(client, next=path).headers["Location"] == "/account"
    assert "evil" not in client.get(SIGN_UP, query_string={"next": path}).text


@pytest.mark.parametrize("origin", [None, "null", "https://evil.example"])
@pytest.mark.parametrize("path", [SIGN_IN, SIGN_UP])
def test_a_form_of_another_site_is_refused(client, ann, db, path, origin):
    headers = {"Origin": origin} if origin else {}
    fields = {"login": "Ann"} if path == SIGN_IN else {"name": "Bob", "email": "bob@example.org"}
    answer = send(client, path, headers=headers, password=ANN["password"], **fields)
    assert answer.status_code == 403
    assert "This form is out of date" in answer.text
    assert find_cookie(answer) == ""
    assert db.users.count_documents({}) == 1


def test_a_form_without_its_token_is_refused(app, client, ann, db):
    other = app.test_client()
    other.set_cookie(COOKIE, open_page_session(app, make_user(app)))
    for token in ("x", "a.b", read_form_token(other, SIGN_OUT)):
        assert sign_in(client, csrfToken=token).status_code == 403
    missing = client.post(
        SIGN_IN, data={"login": "Ann", "password": ANN["password"]}, headers=FROM_PAGE
    )
    assert missing.status_code == 403
    # The form that is shown again has a token.
    token = re.search(r'name="csrfToken" value="([^"]+)"', missing.text)[1]
    assert sign_in(client, csrfToken=token).status_code == 303


def test_signing_out_ends_the_session(app, client, ann, db):
    sign_in(client)
    secret = client.get_cookie(COOKIE).value
    answer = send(client, SIGN_OUT)
    assert (answer.status_code, answer.headers["Location"]) == (303, SIGN_IN)
    assert client.get_cookie(COOKIE) is None
    stolen = app.test_client()
    stolen.set_cookie(COOKIE, secret)
    assert who(stolen) is None
    assert db.sessions.count_documents({"pageSecretHash": {"$exists": True}}) == 0
    # Signing out twice, from another tab, is no fault.
    assert send(client, SIGN_OUT).status_code == 303


def test_nobody_else_signs_somebody_out(app, client, ann):
    sign_in(client)
    other = app.test_client()
    other.set_cookie(COOKIE, open_page_session(app, make_user(app)))
    foreign = read_form_token(other, SIGN_OUT)
    assert send(client, SIGN_OUT, csrfToken=foreign).status_code == 403
    assert (
        send(client, SIGN_OUT, csrfToken=read_form_token(app.test_client(), SIGN_IN)).status_code
        == 403
    )
    assert send(client, SIGN_OUT, headers={"Origin": "https://evil.example"}).status_code == 403
    assert client.get(SIGN_OUT).status_code == 200
    assert who(client) == "Ann"


def test_a_cookie_that_another_person_has_set_is_never_taken_over(app, client, ann):
    """Session fixation: the attacker knows a secret, and the victim signs in with its cookie."""
    attacker = make_user(app)
    secret, token = open_page_session(app, attacker), read_form_token(client, SIGN_IN)
    for planted in (secret, "evs_known"):
        client.set_cookie(COOKIE, planted)
        assert sign_in(client, csrfToken=token).status_code == 303
        assert client.get_cookie(COOKIE).value not in (secret, "evs_known")
        assert who(client) == "Ann"
    thief = app.test_client()
    thief.set_cookie(COOKIE, secret)
    assert who(thief) is None


def test_signing_in_again_ends_the_former_session(client, ann, db):
    for _again in range(3):
        token = read_form_token(client, SIGN_OUT)  # That of the sign-in page is led on.
        assert token
        fresh = client.application.test_client()
        form = read_form_token(fresh, SIGN_IN)
        assert sign_in(client, csrfToken=form).status_code == 303
    assert db.sessions.count_documents({"pageSecretHash": {"$exists": True}}) == 1


def test_a_page_session_is_listed_among_the_sessions(client, ann):
    sign_in(client)
    token = client.post(TOKEN, headers=FROM_PAGE).json["accessToken"]
    headers = {"Authorization": f"Bearer {token}"}
    shown = client.get("/api/auth/sessions", headers=headers).json["sessions"]
    assert [each["current"] for each in shown] == [True, False]


def test_failed_attempts_are_backed_off_on_pages_too(client, ann):
    statuses = [sign_in(client, password="wrong horse").status_code for _ in range(40)]
    assert 429 in statuses
    refused = sign_in(client)
    assert refused.status_code == 429
    assert "Too many attempts. Try again in" in refused.text
    assert 'value="Ann"' in refused.text
    assert int(refused.headers["Retry-After"]) > 0


def test_signing_in_is_limited_by_address(make_app):
    app = make_app(RATE_LIMIT_ENABLED="true", RATE_LIMIT_MAX_REQUESTS="10")
    client = app.test_client()
    token = read_form_token(client, SIGN_IN)
    answers = [sign_in(client, login=f"n{i}", csrfToken=token) for i in range(11)]
    assert [each.status_code for each in answers] == [401] * 10 + [429]
    assert 'value="n10"' in answers[-1].text
    assert client.post(TOKEN, headers=FROM_PAGE).status_code == 401


def test_on_https_the_form_sets_the_cookie_of_the_host(make_app):
    app = make_app(TRUSTED_PROXIES="1")
    client = app.test_client()
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "tickets.example"}
    page = client.get(SIGN_UP, headers=headers)
    token = re.search(r'name="csrfToken" value="([^"]+)"', page.text)[1]
    answer = client.post(
        SIGN_UP,
        data={"csrfToken": token, **ANN},
        headers={**headers, "Origin": "https://tickets.example"},
    )
    assert answer.status_code == 303
    parts = {part.strip() for part in find_cookie(answer, SECURE_COOKIE).split(";")}
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= parts
    assert find_cookie(answer) == ""


def test_neither_the_cookie_nor_the_form_is_in_the_log(make_app, capfd):
    app = make_app(LOG_LEVEL="debug")
    client = app.test_client()
    assert send(client, SIGN_UP, **ANN).status_code == 303
    secret = client.get_cookie(COOKIE).value
    assert sign_in(app.test_client(), password="wrong horse").status_code == 401
    send(client, SIGN_OUT)
    logged = "".join(capfd.readouterr())
    assert "/account/sign-up" in logged
    for text in (secret, secret[4:], ANN["password"], "wrong horse"):
        assert text not in logged


def test_a_page_that_cannot_be_shown_is_a_page_in_a_person_s_words(client):
    answer = client.post(SIGN_OUT, json={"a": 1}, headers=FROM_PAGE)
    assert answer.status_code == 415
    assert answer.content_type == "text/html; charset=utf-8"
    assert "The server does not accept this request." in answer.text
