"""The pages that mailed links open: their policy, and their use in a real browser."""

import re

import pytest
from bson import ObjectId

from eventapp.accounts.mail_preferences import UNSUBSCRIBE_KEYS
from eventapp.jobs import service as jobs
from tests.account_mails import read_token
from tests.bookings_factories import Caller, context_of
from tests.email_changes import pretend_to_mail
from tests.factories import make_user

TOKEN_PAGES = ["/account/verify", "/account/reset", "/account/void-email-change", "/invitation"]
UNSUBSCRIBE, FORGOT = "/mails/unsubscribe", "/account/forgot"
PAGES = [*TOKEN_PAGES, UNSUBSCRIBE, FORGOT]
ANN = {"name": "Ann", "email": "ann@example.org", "password": "correct horse"}
ENTER = "\ue007"


@pytest.mark.parametrize("path", PAGES)
def test_the_policy_forbids_inline_code_and_other_origins(client, path):
    answer = client.get(path)
    assert answer.status_code == 200
    (policy,) = answer.headers.getlist("Content-Security-Policy")
    assert policy == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    )
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=|\sstyle=|https?://", answer.text)
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_stored_nowhere_and_loads_files_of_this_server(client, path):
    page = client.get(path)
    assert page.content_type == "text/html; charset=utf-8"
    assert page.headers["Cache-Control"] == "private, no-store"
    files = re.findall(r'<(?:script|link)[^>]*(?:src|href)="([^"]+)"', page.text)
    assert files
    for file in files:
        assert file.startswith("/static/")
        assert client.get(file).status_code == 200


@pytest.mark.parametrize("path", TOKEN_PAGES)
def test_a_token_in_the_query_is_moved_to_the_fragment(client, path):
    answer = client.get(f"{path}?token=a%2Fb%0d%0aX:%20y&utm_source=mail")
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"{path}#token=a%2Fb%0D%0AX%3A%20y"
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert client.get(f"{path}?utm_source=mail").status_code == 200
    in_greek = client.get(f"{path}?token=x&lang=el")
    assert in_greek.headers["Location"] == f"{path}?lang=el#token=x"


def test_a_get_changes_nothing(client, app, db):
    client.post("/api/auth/register", json=ANN)
    token = read_token(app, "email_verification")
    for path in TOKEN_PAGES:
        client.get(f"{path}?token={token}", follow_redirects=True)
    assert db.users.find_one()["emailVerified"] is False
    answer = client.post("/api/auth/verify-email", json={"token": token})
    assert answer.status_code == 200


@pytest.fixture
def host(client, app):
    return Caller(client, app, "organizer")


@pytest.mark.parametrize("path", PAGES)
def test_a_page_suits_all_sizes_and_everybody(browser, site, check_page, path):
    browser.open(f"{site}{path}#token=x&key=x")
    browser.wait_for_text(" ")
    check_page(path.replace("/", "-").lstrip("-"))


def test_a_link_verifies_the_address_by_its_button(browser, site, client, app, db):
    client.post("/api/auth/register", json=ANN)
    token = read_token(app, "email_verification")
    browser.open(f"{site}/account/verify?token={token}")
    browser.wait_for_text("Verify this address")
    assert browser.run("return location.href") == f"{site}/account/verify"
    assert db.users.find_one()["emailVerified"] is False
    browser.run("document.querySelector('main button').click()")
    browser.wait_for_text("Your email address is verified.")
    assert db.users.find_one()["emailVerified"] is True
    assert browser.console_errors() == []
    browser.open(f"{site}/account/verify")
    browser.wait_for_text("This link is not complete.")


def test_a_link_unsubscribes_by_its_button(browser, site, app, db):
    user, organizer_id = make_user(app), ObjectId()
    key = UNSUBSCRIBE_KEYS.get(app).make(user["id"], {"organizerId": organizer_id})
    browser.open(f"{site}{UNSUBSCRIBE}?key={key}")
    browser.wait_for_text("Press the button")
    assert browser.run("return location.href") == f"{site}{UNSUBSCRIBE}"
    assert "mailPreferences" not in db.users.find_one()
    browser.run("document.querySelector('main button').click()")
    browser.wait_for_text("You get no more of these announcements by mail.")
    stored = db.users.find_one()["mailPreferences"]
    assert stored == {"unsubscribedOrganizers": [organizer_id]}
    assert browser.console_errors() == []
    browser.open(f"{site}/account/verify")
    browser.open(f"{site}{UNSUBSCRIBE}#key={key}x")
    browser.wait_for_text("Press the button")
    browser.run("document.querySelector('main button').click()")
    browser.wait_for_text("This link is not valid")


def test_a_new_address_is_verified_with_the_password_and_voided(browser, site, client, app, db):
    client.post("/api/auth/register", json=ANN)
    login = {"name": "Ann", "password": ANN["password"]}
    capability = client.post("/android/api/users/login", json=login).json["_id"]
    with pretend_to_mail(app):
        client.put(f"/android/api/users/{capability}", json={"email": "new@example.org"})
    browser.open(f"{site}/account/verify#token={read_token(app, 'new_email')}")
    browser.wait_for_text("Verify this address")
    assert "The password of your account" not in browser.run("return document.body.innerText")
    browser.run("document.querySelector('main button').click()")
    browser.wait_for_text("Enter the password of your account")
    browser.type("#password", "wrong" + ENTER)
    browser.wait_for_text("The password is wrong.")
    browser.run("document.getElementById('password').value = ''")
    browser.type("#password", ANN["password"] + ENTER)
    browser.wait_for_text("Your email address is verified.")
    assert db.users.find_one()["email"] == "new@example.org"
    browser.open(f"{site}/account/void-email-change#token={read_token(app, 'email_change')}")
    browser.wait_for_text("Void the change")
    assert db.users.find_one()["email"] == "new@example.org"
    browser.run("document.querySelector('main button').click()")
    browser.wait_for_text("The change is void.")
    assert db.users.find_one()["email"] == ANN["email"]


def test_a_link_changes_the_password_with_the_keyboard(browser, site, client, app, db):
    client.post("/api/auth/register", json=ANN)
    client.post("/api/auth/forgot-password", json={"email": ANN["email"]})
    token = read_token(app, "password_reset")
    browser.open(f"{site}/account/reset#token={token}")
    browser.wait_for_text("Choose a new password")
    browser.type("#newPassword", "battery staple")
    browser.type("#repeated", "another one" + ENTER)
    browser.wait_for_text("The two passwords are not the same.")
    browser.run("document.getElementById('repeated').value = ''")
    browser.type("#repeated", "battery staple" + ENTER)
    browser.wait_for_text("Your password is changed.")
    login = {"email": ANN["email"], "password": "battery staple"}
    assert client.post("/api/auth/login", json=login).status_code == 200
    browser.open(f"{site}/account/verify")
    browser.open(f"{site}/account/reset#token={token}")
    browser.type("#newPassword", "battery staple")
    browser.type("#repeated", "battery staple" + ENTER)
    browser.wait_for_text("This link is not valid any more. Ask for a new one.")


def invite(app, host, email):
    """Invite an address to the team of an organizer; return the token of the mail."""
    body = {"email": email, "role": "door"}
    assert host.call("POST", "/organizers/me/members", body).status_code == 202
    jobs.run_job("invitation-mails", context_of(app))
    return read_token(app, "team_invitation")


def test_an_invitation_is_accepted_after_signing_in(browser, site, client, app, db, host):
    client.post("/api/auth/register", json=ANN)
    db.users.update_one({"name": "Ann"}, {"$set": {"emailVerified": True}})
    token = invite(app, host, ANN["email"])
    browser.console_errors()  # Those of earlier tests are not of this one.
    browser.open(f"{site}/invitation?token={token}")
    browser.wait_for_text("Sign in with the account of the address")
    assert browser.run("return location.href") == f"{site}/invitation"
    browser.press_button("Sign in", "main")
    browser.wait_for("document.querySelector('#login')")
    browser.type("#login", ANN["email"])
    browser.type("#password", ANN["password"] + ENTER)
    browser.wait_for_text("You are signed in as ann@example.org.")
    assert browser.run("return location.href") == f"{site}/invitation"
    assert browser.run("return sessionStorage.length") == 0
    assert db.memberships.count_documents({"userId": {"$ne": None}}) == 0
    browser.press_button("Join the team")
    browser.wait_for_text("You are in the team.")
    assert db.memberships.count_documents({"role": "door", "userId": {"$ne": None}}) == 1
    assert browser.console_errors() == []
    # The invitation of somebody else.
    browser.open(f"{site}/account/verify")
    other = invite(app, host, "other@example.org")
    browser.open(f"{site}/invitation#token={other}")
    browser.press_button("Join the team")
    browser.wait_for_text("This link is not valid any more. Ask for a new one.")
    browser.delete_cookies()


def test_a_forgotten_password_is_asked_for_on_a_page(browser, site, client, app, db):
    client.post("/api/auth/register", json=ANN)
    browser.open(f"{site}/account/sign-in")
    browser.press_button("I forgot my password")
    browser.wait_for("document.querySelector('#email')")
    browser.type("#email", "nothing" + ENTER)
    browser.wait_for("document.querySelector('.field-error')")
    browser.fill("#email", ANN["email"])
    browser.press_button("Send the link")
    browser.wait_for_text("a mail is on its way to it")
    assert read_token(app, "password_reset")
