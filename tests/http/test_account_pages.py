"""The pages that mailed links open: their policy, and their use in a real browser."""

import re
import threading

import pytest
from bson import ObjectId
from werkzeug.serving import make_server

from eventapp.accounts.mail_preferences import UNSUBSCRIBE_KEYS
from eventapp.jobs import service as jobs
from tests.account_mails import read_token
from tests.bookings_factories import context_of
from tests.browser import CHROMIUM, DRIVER, Browser
from tests.email_changes import pretend_to_mail
from tests.factories import make_user

PAGES = ["/account/verify", "/account/reset", "/account/void-email-change", "/invitation"]
UNSUBSCRIBE = "/mails/unsubscribe"
FILES = ["/account/files/account.js", "/account/files/account.css"]
ANN = {"name": "Ann", "email": "ann@example.org", "password": "correct horse"}
ENTER = "\ue007"


@pytest.mark.parametrize("path", [*PAGES, UNSUBSCRIBE, *FILES])
def test_the_policy_forbids_inline_code_and_other_origins(client, path):
    answer = client.get(path)
    assert answer.status_code == 200
    (policy,) = answer.headers.getlist("Content-Security-Policy")
    assert policy == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    )
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=|\sstyle=|https?://", answer.text)
    assert not re.search(r"innerHTML|eval\(|document\.write|localStorage", answer.text)
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("path", [*PAGES, UNSUBSCRIBE])
def test_a_page_is_stored_nowhere_and_loads_files_of_this_server(client, path):
    page = client.get(path)
    assert page.content_type == "text/html; charset=utf-8"
    assert page.headers["Cache-Control"] == "private, no-store"
    links = re.findall(r'(?:src|href)="(/[^"]+)"', page.text)
    assert sorted(links) == sorted(FILES)


@pytest.mark.parametrize("path", PAGES)
def test_a_token_in_the_query_is_moved_to_the_fragment(client, path):
    answer = client.get(f"{path}?token=a%2Fb%0d%0aX:%20y&utm_source=mail")
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"{path}#token=a%2Fb%0D%0AX%3A%20y"
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert client.get(f"{path}?utm_source=mail").status_code == 200


@pytest.mark.parametrize("file", ["verify.html", "nothing.js", "..%2f__init__.py", "%2e%2e"])
def test_no_other_file_is_served(client, file):
    assert client.get(f"/account/files/{file}").status_code in (404, 308)


def test_a_get_changes_nothing(client, app, db):
    client.post("/api/auth/register", json=ANN)
    token = read_token(app, "email_verification")
    for path in PAGES:
        client.get(f"{path}?token={token}", follow_redirects=True)
    assert db.users.find_one()["emailVerified"] is False
    answer = client.post("/api/auth/verify-email", json={"token": token})
    assert answer.status_code == 200


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if not (CHROMIUM and DRIVER):
        pytest.skip("no chromium and chromedriver on this machine")
    opened = Browser(tmp_path_factory.mktemp("browser"))
    yield opened
    opened.close()


@pytest.fixture
def site(app, db):
    """Serve the application on a free port and return its URL."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


def wait_for(browser, text):
    """Wait until the page shows a text."""
    for _ in range(100):
        shown = browser.run("return document.body.innerText")
        if text in shown:
            return
        threading.Event().wait(0.05)
    raise AssertionError(f"{shown!r} {browser.console_errors()}")


def test_a_link_verifies_the_address_by_its_button(browser, site, client, app, db):
    client.post("/api/auth/register", json=ANN)
    token = read_token(app, "email_verification")
    browser.open(f"{site}/account/verify?token={token}")
    wait_for(browser, "Verify this address")
    assert browser.run("return location.href") == f"{site}/account/verify"
    assert db.users.find_one()["emailVerified"] is False
    browser.run("document.querySelector('button').click()")
    wait_for(browser, "Your email address is verified.")
    assert db.users.find_one()["emailVerified"] is True
    assert browser.console_errors() == []
    browser.open(f"{site}/account/verify")
    wait_for(browser, "This link is not complete.")


def test_a_link_unsubscribes_by_its_button(browser, site, app, db):
    user, organizer_id = make_user(app), ObjectId()
    key = UNSUBSCRIBE_KEYS.get(app).make(user["id"], {"organizerId": organizer_id})
    browser.open(f"{site}{UNSUBSCRIBE}?key={key}")
    wait_for(browser, "Press the button")
    assert browser.run("return location.href") == f"{site}{UNSUBSCRIBE}"
    assert "mailPreferences" not in db.users.find_one()
    browser.run("document.querySelector('button').click()")
    wait_for(browser, "You get no more of these announcements by mail.")
    stored = db.users.find_one()["mailPreferences"]
    assert stored == {"unsubscribedOrganizers": [organizer_id]}
    assert browser.console_errors() == []
    browser.open(f"{site}/account/verify")
    browser.open(f"{site}{UNSUBSCRIBE}#key={key}x")
    wait_for(browser, "Press the button")
    browser.run("document.querySelector('button').click()")
    wait_for(browser, "This link is not valid")


def test_a_new_address_is_verified_with_the_password_and_voided(browser, site, client, app, db):
    client.post("/api/auth/register", json=ANN)
    login = {"name": "Ann", "password": ANN["password"]}
    capability = client.post("/android/api/users/login", json=login).json["_id"]
    with pretend_to_mail(app):
        client.put(f"/android/api/users/{capability}", json={"email": "new@example.org"})
    browser.open(f"{site}/account/verify#token={read_token(app, 'new_email')}")
    wait_for(browser, "Verify this address")
    assert "The password of your account" not in browser.run("return document.body.innerText")
    browser.run("document.querySelector('button').click()")
    wait_for(browser, "Enter the password of your account")
    browser.type("#password", "wrong" + ENTER)
    wait_for(browser, "The current password is wrong")
    browser.run("document.getElementById('password').value = ''")
    browser.type("#password", ANN["password"] + ENTER)
    wait_for(browser, "Your email address is verified.")
    assert db.users.find_one()["email"] == "new@example.org"
    browser.open(f"{site}/account/void-email-change#token={read_token(app, 'email_change')}")
    wait_for(browser, "Void the change")
    assert db.users.find_one()["email"] == "new@example.org"
    browser.run("document.querySelector('button').click()")
    wait_for(browser, "The change is void.")
    assert db.users.find_one()["email"] == ANN["email"]


def test_a_link_changes_the_password_with_the_keyboard(browser, site, client, app, db):
    client.post("/api/auth/register", json=ANN)
    client.post("/api/auth/forgot-password", json={"email": ANN["email"]})
    token = read_token(app, "password_reset")
    browser.open(f"{site}/account/reset#token={token}")
    wait_for(browser, "Choose a new password")
    browser.type("#password", "battery staple")
    browser.type("#repeated", "another one" + ENTER)
    wait_for(browser, "The two passwords are not the same.")
    browser.run("document.getElementById('repeated').value = ''")
    browser.type("#repeated", "battery staple" + ENTER)
    wait_for(browser, "Your password is changed.")
    login = {"email": ANN["email"], "password": "battery staple"}
    assert client.post("/api/auth/login", json=login).status_code == 200
    browser.open(f"{site}/account/verify")
    browser.open(f"{site}/account/reset#token={token}")
    browser.type("#password", "battery staple")
    browser.type("#repeated", "battery staple" + ENTER)
    wait_for(browser, "This link is not valid any more; ask for a new one")


def test_an_invitation_is_accepted_by_signing_in_for_it(browser, site, client, app, db, host):
    client.post("/api/auth/register", json=ANN)
    db.users.update_one({"name": "Ann"}, {"$set": {"emailVerified": True}})
    body = {"email": ANN["email"], "role": "door"}
    assert host.call("POST", "/organizers/me/members", body).status_code == 202
    jobs.run_job("invitation-mails", context_of(app))
    token = read_token(app, "team_invitation")
    sessions = db.sessions.count_documents({})
    browser.open(f"{site}/invitation?token={token}")
    wait_for(browser, "Join the team")
    assert browser.run("return location.href") == f"{site}/invitation"
    browser.type("#email", ANN["email"])
    browser.type("#password", "wrong horse" + ENTER)
    wait_for(browser, "Wrong name, email or password")
    browser.run("document.querySelector('#password').value = ''")
    browser.type("#password", ANN["password"] + ENTER)
    wait_for(browser, "You are in the team.")
    assert db.memberships.count_documents({"role": "door", "userId": {"$exists": True}}) == 1
    assert db.sessions.count_documents({}) == sessions
