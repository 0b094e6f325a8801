"""The console's pages about a person's team, public profile, webhooks and API tokens."""

import pytest

from eventapp.core.access.actions import SCOPES
from eventapp.webhooks import transport
from eventapp.webhooks.rules import EVENT_TYPES
from tests import pictures, webhooks
from tests.bookings_factories import Caller
from tests.factories import make_event
from tests.live import eventually
from tests.page_sessions import COOKIE, make_browser, open_page_session
from tests.teams import add_member
from tests.webhooks import Receivers, answered

XSS = "<img src=x onerror=\"document.title='hacked'\"> & 'it'"
PASSWORD = "correct horse battery"


@pytest.fixture
def organizer(client, app, db):
    """An organizer with a password and an event."""
    body = {"name": f"{XSS} Olga", "email": "olga@example.org", "password": PASSWORD}
    answer = client.post("/api/auth/register", json={**body, "role": "organizer"})
    caller = Caller(client, app, "organizer")
    user = db.users.find_one({"email": body["email"]})
    caller.id = user["_id"]
    caller.headers = {"Authorization": f"Bearer {answer.json['accessToken']}"}
    make_event(db, organizer_id=caller.id, title=f"{XSS} event")
    return caller


@pytest.fixture
def open_page(app, browser, site):
    """A function that opens a page, signed in as a caller."""

    def open_as(caller, path):
        browser.open(f"{site}/healthz")
        browser.delete_cookies()
        secret = open_page_session(app, {"id": caller.id})
        browser.run(f"document.cookie = '{COOKIE}={secret}; path=/'")
        browser.open(site + path)

    return open_as


def is_safe(browser):
    """Return whether nothing that a person typed became markup."""
    script = "return document.querySelectorAll('img[src=x]').length"
    return browser.run(script) == 0 and browser.run("return document.title") != "hacked"


def test_an_organizer_invites_and_manages_members(
    app, client, browser, open_page, check_page, db, organizer
):
    member = Caller(client, app)
    db.users.update_one({"_id": member.id}, {"$set": {"name": f"{XSS} member"}})
    add_member(db, organizer, member, "viewer")
    open_page(organizer, "/console/team")
    browser.wait_for_text(f"{XSS} member", "#members")
    browser.type("#email", "not an address")
    browser.press_button("Invite")
    browser.wait_for("document.querySelector('#email[aria-invalid]')")
    browser.fill("#email", "new@example.org")
    browser.press_button(f"{XSS} event", "#invite")
    browser.press_button("Invite")
    browser.wait_for_text("new@example.org gets a mail with the invitation.")
    browser.wait_for_text(f"{XSS} event", "#invitations")
    check_page("console-team")
    browser.press_button("Withdraw")
    browser.wait_for_text("The invitation is withdrawn.")
    browser.fill("#members select", "manager")
    browser.wait_for_text("is changed.", "#message")
    assert db.memberships.find_one({"userId": member.id})["role"] == "manager"
    browser.press_button("Change", "#members")
    browser.press_button(f"{XSS} event", "dialog")
    browser.press_button("Save", "dialog")
    browser.wait_for_text("The events of", "#message")
    assert len(db.memberships.find_one({"userId": member.id})["eventIds"]) == 1
    browser.press_button("Remove", "#members")
    browser.press_button("Remove", "dialog")
    browser.wait_for_text("There are no members yet.")
    assert db.memberships.count_documents({"userId": member.id}) == 0
    assert is_safe(browser)


def test_an_organizer_writes_the_public_profile(
    browser, open_page, organizer, tmp_path, client, db
):
    open_page(organizer, "/console/team")
    browser.wait_for_text("No invitation is open.")
    browser.fill("#profile-name", f"{XSS} Jazz Club")
    browser.fill("#about", f"{XSS} since 1970")
    browser.press_button("Add a link")
    browser.type("#profile-links input[type=url]", "http://example.org")
    browser.press_button("Save")
    browser.wait_for_text("Some fields need your attention.", "#profile-message")
    assert browser.run("return document.activeElement.name") == "links.0.url"
    browser.fill("#profile-links input[type=url]", "https://example.org/jazz")
    browser.fill("#profile-links input[type=text]", f"{XSS} site")
    browser.click("input[name=showPhoto]")
    browser.press_button("Save")
    browser.wait_for_text("The profile is saved.")
    browser.press_button("Send the photo")
    browser.wait_for_text("Choose a picture first.")
    picture = tmp_path / "photo.jpg"
    picture.write_bytes(pictures.photo())
    browser.type("#photo", str(picture))
    browser.press_button("Send the photo")
    browser.wait_for_text("The photo is saved.")
    browser.wait_for("document.getElementById('photo-shown').naturalWidth > 0")
    profile = client.get(f"/api/organizers/{organizer.id}").json
    assert profile["name"] == f"{XSS} Jazz Club"
    assert profile["links"] == [{"url": "https://example.org/jazz", "label": f"{XSS} site"}]
    browser.run("location.reload()")
    browser.wait_for("document.querySelector('#profile-links input[type=url]')?.value")
    assert browser.run("return document.getElementById('about').value") == f"{XSS} since 1970"
    assert is_safe(browser)
    browser.console_errors()


def test_a_member_sees_and_leaves_the_teams_of_others(
    app, client, browser, open_page, db, organizer
):
    member = Caller(client, app)
    add_member(db, organizer, member, "door")
    open_page(member, "/console/team")
    browser.wait_for_text(f"{XSS} Olga", "#memberships")
    assert "Invite somebody" not in browser.text()
    browser.press_button("Leave")
    browser.press_button("Leave", "dialog")
    browser.wait_for("document.getElementById('memberships').hidden")
    assert db.memberships.count_documents({"userId": member.id}) == 0


def test_an_organizer_makes_a_webhook_and_sees_its_test_fail(
    app, browser, open_page, check_page, db, organizer, monkeypatch
):
    receivers = Receivers()
    monkeypatch.setattr(transport, "send", receivers.send)
    url = f"{webhooks.URL}?{XSS}".replace(" ", "+")
    open_page(organizer, "/console/webhooks")
    browser.wait_for_text("There is no webhook yet.")
    browser.fill("#url", "https://")
    browser.press_button("Make a webhook")
    browser.wait_for("document.querySelector('#url[aria-invalid]')")
    browser.fill("#url", webhooks.URL)
    browser.press_button("Make a webhook")
    browser.wait_for_text("Choose what is sent.")
    browser.press_button("An order is confirmed booking.confirmed")
    browser.press_button("Make a webhook")
    browser.wait_for_text("Secret of the webhook")
    secret = browser.run("return document.getElementById('secret').value")
    assert secret.startswith("whsec_")
    receivers.answers[webhooks.URL] = answered(500, f"{XSS} broken".encode())
    browser.press_button("Send a test")
    eventually(lambda: webhooks.send(app) == 1)
    browser.wait_for_text("The receiver answered with the status 500.", "#message")
    browser.press_button("Answer")
    browser.wait_for_text(f"{XSS} broken")
    check_page("console-webhooks")
    receivers.answers[webhooks.URL] = answered(200, b"ok")
    browser.press_button("Send again")
    eventually(lambda: webhooks.send(app) == 1)
    browser.wait_for_text("The receiver has taken it.")
    browser.press_button("Pause")
    browser.wait_for_text("Paused")
    browser.press_button("Switch on")
    browser.wait_for_text("Switched on", "#list")
    browser.press_button("New secret")
    browser.press_button("Make a new secret", "dialog")
    browser.wait_for(f"document.getElementById('secret').value !== '{secret}'")
    webhooks.create(organizer, url=url)
    browser.run("location.reload()")
    browser.wait_for("document.querySelectorAll('#list article').length === 2")
    assert secret not in browser.run("return document.documentElement.outerHTML")
    assert is_safe(browser)
    browser.press_button("Delete")
    browser.press_button("Delete", "dialog")
    browser.wait_for_text("The webhook is deleted.")
    assert db.webhooks.count_documents({}) == 1


def test_an_organizer_makes_and_ends_an_api_token(
    browser, open_page, check_page, client, organizer
):
    open_page(organizer, "/console/tokens")
    browser.wait_for_text("There is no token yet.")
    browser.fill("#name", f"{XSS} token")
    browser.fill("#password", "wrong password")
    browser.press_button("Make a token")
    browser.wait_for_text("Choose what the token may do.")
    browser.press_button("Read events events:read")
    browser.press_button("Make a token")
    browser.wait_for("document.querySelector('#password[aria-invalid]')")
    assert browser.run("return document.getElementById('name').value") == f"{XSS} token"
    browser.fill("#password", PASSWORD)
    browser.press_button("Make a token")
    browser.wait_for_text(f"Secret of {XSS} token")
    secret = browser.run("return document.getElementById('secret').value")
    headers = {"Authorization": f"Bearer {secret}"}
    assert client.get("/api/events?mine=true", headers=headers).status_code == 200
    assert browser.run("return document.getElementById('password').value") == ""
    browser.console_errors()  # of the refused password
    check_page("console-tokens")
    browser.run("location.reload()")
    browser.wait_for_text(f"{XSS} token", "#list")
    assert secret not in browser.run("return document.documentElement.outerHTML")
    browser.press_button("End")
    browser.press_button("End the token", "dialog")
    browser.wait_for_text("There is no token yet.")
    assert client.get("/api/events?mine=true", headers=headers).status_code == 401
    assert is_safe(browser)


def test_all_scopes_and_event_types_are_offered(app, organizer):
    signed_in = make_browser(app, {"id": organizer.id})
    tokens = signed_in.get("/console/tokens").text
    assert [each for each in SCOPES if f'value="{each}"' not in tokens] == []
    webhook_page = signed_in.get("/console/webhooks").text
    assert [each for each in EVENT_TYPES if f'value="{each}"' not in webhook_page] == []


def test_an_attendee_is_offered_nothing_of_an_organizer(app, client, db):
    signed_in = make_browser(app, {"id": Caller(client, app).id})
    for path in ("figures", "webhooks"):
        page = signed_in.get(f"/console/{path}").text
        assert "Only organizers" in page
        assert "<script" not in page
    assert 'id="invite"' not in signed_in.get("/console/team").text


def test_the_pages_lead_to_signing_in(client, db):
    for path in ("figures", "team", "webhooks", "tokens"):
        answer = client.get(f"/console/{path}")
        assert answer.status_code == 303
        assert answer.location == f"/account/sign-in?next=/console/{path}"
