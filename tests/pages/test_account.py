"""The pages of an account: what they show, and that its owner can use them."""

import re
from datetime import timedelta

import pytest

from eventapp.core.clock import utc_now
from tests.account_mails import read_token
from tests.bookings_factories import Caller, event_of
from tests.email_changes import pretend_to_mail
from tests.factories import make_user
from tests.page_sessions import COOKIE, make_browser, open_page_session

NAMES = ("bookings", "waitlist", "notifications", "profile", "sessions", "preferences", "data")
ENTER = "\ue007"
PASSWORD = "correct horse"
EVIL = '<img src=x onerror="alert(1)">'


@pytest.fixture
def ann(client, app):
    return Caller(client, app)


@pytest.fixture
def host(client, app):
    return Caller(client, app, "organizer")


@pytest.fixture
def pages(app, ann):
    """A client that is signed in on pages as Ann."""
    return make_browser(app, {"id": ann.id})


def notify(db, user_id, **texts):
    """Store a notification that is not read yet."""
    common = {"kind": "announcement", "data": {}, "createdAt": utc_now(), "readAt": None}
    db.notifications.insert_one({**common, "userId": user_id, "unread": True, **texts})


def show(pages, name, query=""):
    answer = pages.get(f"/account/{name}{query}")
    assert answer.status_code == 200
    return answer.text


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_for_who_is_signed_in(client, db, pages, name):
    refused = client.get(f"/account/{name}?show=past")
    assert refused.status_code == 303
    assert refused.headers["Location"] == f"/account/sign-in?next=/account/{name}%3Fshow%3Dpast"
    client.set_cookie(COOKIE, "evs_unknown")
    assert client.get(f"/account/{name}").status_code == 303
    before = {each: list(db[each].find()) for each in db.list_collection_names()}
    answer = pages.get(f"/account/{name}")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert not [header for header, _ in answer.headers if header.startswith("Access-Control")]
    assert {each: list(db[each].find()) for each in db.list_collection_names()} == before


def test_the_account_begins_with_the_bookings(client):
    assert client.get("/account").headers["Location"] == "/account/bookings"
    assert client.get("/account?lang=el").headers["Location"] == "/account/bookings?lang=el"


def test_holds_and_bookings_are_listed_by_what_they_need(db, ann, pages):
    first = ann.book(event_of(db, 5, title="Confirmed"), quantity=2)
    held = ann.book(event_of(db, 5, title="Held"), hold=True)
    cancelled = ann.book(event_of(db, 5, title="Cancelled one"))
    ann.cancel(cancelled)
    text = show(pages, "bookings")
    assert text.index(held["bookingReference"]) < text.index(first["bookingReference"])
    assert "These wait for you" in text
    assert "Accept, pay or decline" in text
    assert "2 tickets" in text
    assert f'href="/b/{first["bookingReference"]}"' in text
    assert cancelled["bookingReference"] not in text
    text = show(pages, "bookings", "?show=cancelled")
    assert cancelled["bookingReference"] in text
    assert first["bookingReference"] not in text
    db.bookings.update_many({}, {"$set": {"date": first_day(db) - timedelta(days=400)}})
    assert first["bookingReference"] in show(pages, "bookings", "?show=past")
    assert first["bookingReference"] not in show(pages, "bookings")


def first_day(db):
    return db.bookings.find_one(sort=[("date", 1)])["date"]


def test_an_expired_hold_waits_for_nobody(db, ann, pages):
    held = ann.book(event_of(db, 5), hold=True)
    change = {"$set": {"expiresAt": first_day(db) - timedelta(days=4000)}}
    db.bookings.update_one({"status": "held"}, change)
    assert held["bookingReference"] not in show(pages, "bookings")


def test_the_past_is_shown_page_by_page(db, ann, pages):
    for _ in range(21):
        ann.book(event_of(db, 5))
    db.bookings.update_many({}, {"$set": {"date": first_day(db) - timedelta(days=400)}})
    first = show(pages, "bookings", "?show=past")
    assert "Page 1 of 2" in first
    assert 'href="/account/bookings?show=past&amp;page=2"' in first
    second = show(pages, "bookings", "?show=past&page=2")
    assert second.count('class="card"') == 1
    for page in ("0", "-1", "x", "\u00b2", "999999999999"):
        show(pages, "bookings", f"?show=past&page={page}")
    show(pages, "bookings", "?show=nonsense")


def test_what_people_have_typed_is_escaped_everywhere(app, db, host):
    user = make_user(app)
    db.users.update_one({"_id": user["id"]}, {"$set": {"name": EVIL, "about": EVIL, "email": EVIL}})
    event_id = event_of(db, 1, title=EVIL, organizer_id=host.id)
    ann = Caller(app.test_client(), app)
    ann.id, ann.headers = user["id"], user["headers"]
    ann.book(event_id, quantity=1)
    other = event_of(db, 1, title=EVIL, organizer_id=host.id)
    Caller(app.test_client(), app).book(other)
    ann.call("POST", "/waitlist", {"eventId": other, "quantity": 1})
    db.sessions.update_many({}, {"$set": {"client": EVIL}})
    notify(db, ann.id, title=EVIL, message=EVIL, data={"eventId": EVIL})
    signed_in = make_browser(app, user)
    for name in NAMES:
        text = signed_in.get(f"/account/{name}").text
        assert "<img" not in text, name
    assert "&lt;img" in signed_in.get("/account/bookings").text


def test_a_page_in_greek_has_greek_dates_and_links(db, ann, pages):
    ann.book(event_of(db, 5))
    text = show(pages, "bookings", "?lang=el")
    assert '<html lang="el">' in text
    assert "Οι κρατήσεις μου" in text
    assert 'href="/account/waitlist?lang=el"' in text
    assert "1 εισιτήριο" in text


def test_another_person_s_page_shows_nothing_of_mine(app, db, ann, pages):
    booking = ann.book(event_of(db, 5))
    other = make_browser(app, make_user(app))
    assert booking["bookingReference"] in show(pages, "bookings")
    assert booking["bookingReference"] not in show(other, "bookings")


# In a browser.


def open_signed_in(browser, site, app, ann, name):
    """Open a page of the account, signed in as Ann."""
    browser.open(f"{site}/account/sign-in")
    secret = open_page_session(app, {"id": ann.id})
    browser.run(f"document.cookie = '{COOKIE}={secret}; path=/'")
    browser.open(f"{site}/account/{name}")


def test_somebody_signs_up_out_and_in_and_changes_the_language(browser, site, db):
    browser.open(f"{site}/account/bookings")
    browser.wait_for_text("No account yet?")
    browser.press_button("Make an account")
    browser.wait_for("document.querySelector('#name')")
    browser.type("#name", "Ada")
    browser.type("#email", "ada@example.org")
    browser.type("#password", PASSWORD + ENTER)
    browser.wait_for_text("Bookings to come")
    assert browser.run("return location.pathname") == "/account/bookings"
    assert browser.run("return document.cookie") == ""
    browser.press_button("Sign out")
    browser.wait_for("location.pathname === '/account/sign-in'")
    browser.type("#login", "ada@example.org")
    browser.type("#password", "wrong horse" + ENTER)
    browser.wait_for_text("do not belong together")
    assert browser.run("return document.querySelector('#login').value") == "ada@example.org"
    browser.console_errors()  # The refusal is one.
    browser.type("#password", PASSWORD + ENTER)
    browser.wait_for_text("Bookings to come")
    browser.press_button("Ελληνικά")
    browser.wait_for_text("Προσεχείς κρατήσεις")
    browser.press_button("Προφίλ")
    browser.wait_for_text("Γλώσσα των email")
    browser.fill("#language", "el")
    browser.press_button("Αποθήκευση")
    browser.wait_for_text("Αποθηκεύτηκε.")
    assert db.users.find_one()["language"] == "el"
    browser.fill("#language", "en")
    browser.press_button("Αποθήκευση")
    browser.wait_for_text("Language of mails to you")
    assert db.users.find_one()["language"] == "en"
    assert browser.console_errors() == []
    browser.delete_cookies()


def test_the_profile_and_the_address_are_changed(browser, site, client, app, db):
    body = {"name": "Ada", "email": "ada@example.org", "password": PASSWORD}
    client.post("/api/auth/register", json=body)
    browser.open(f"{site}/account/sign-in?next=/account/profile")
    browser.type("#login", "Ada")
    browser.type("#password", PASSWORD + ENTER)
    browser.wait_for_text("not verified")
    browser.fill("#about", "Goes to concerts")
    browser.press_button("Save")
    browser.wait_for_text("Saved.")
    assert db.users.find_one()["about"] == "Goes to concerts"
    browser.press_button("Send the link again")
    browser.wait_for_text("A mail is on its way to you.")
    assert read_token(app, "email_verification")
    browser.fill("#email", "new@example.org")
    browser.fill("#currentPassword", "wrong horse")
    browser.press_button("Change the address")
    browser.wait_for_text("The password is wrong.", ".field-error")
    assert browser.run("return document.querySelector('#email').value") == "new@example.org"
    browser.fill("#currentPassword", PASSWORD)
    with pretend_to_mail(app):
        browser.press_button("Change the address")
        browser.wait_for_text("Open the link that we sent to new@example.org.")
    browser.open(f"{site}/account/profile")
    browser.wait_for_text("new@example.org takes its place")
    browser.open(f"{site}/account/sessions")
    browser.wait_for_text("this one")
    # The session of the registration ends, and then the password is changed.
    browser.press_button("End")
    browser.wait_for_text("The session has ended.")
    assert db.sessions.count_documents({}) == 1
    browser.fill("#currentPassword", PASSWORD)
    browser.fill("#newPassword", "battery staple")
    browser.press_button("Change the password")
    browser.wait_for_text("Your password is changed.")
    assert db.sessions.count_documents({}) == 1
    browser.delete_cookies()


def test_mails_are_chosen_and_what_happened_is_read(browser, site, app, db, ann, host):
    preferences = {"unsubscribedOrganizers": [str(host.id)]}
    ann.call("PUT", "/auth/profile", {"mailPreferences": preferences})
    open_signed_in(browser, site, app, ann, "preferences")
    browser.wait_for_text("An organizer without public events")
    browser.click("[name=announcements]")
    browser.click("[name=organizer]")
    browser.press_button("Save")
    browser.wait_for_text("Saved.")
    stored = db.users.find_one({"_id": ann.id})["mailPreferences"]
    assert stored == {"announcements": False, "unsubscribedOrganizers": []}
    notify(db, ann.id, title="News", message="One\ntwo")
    browser.open(f"{site}/account/notifications")
    browser.press_button("Mark all as read")
    browser.wait_for("!document.querySelector('h2 .badge')")
    assert db.notifications.count_documents({"unread": True}) == 0
    browser.delete_cookies()


def test_somebody_leaves_a_waitlist_exports_and_deletes_the_account(browser, site, app, db, ann):
    event_id = event_of(db, 1)
    Caller(app.test_client(), app).book(event_id)
    assert ann.call("POST", "/waitlist", {"eventId": event_id, "quantity": 1}).status_code == 201
    open_signed_in(browser, site, app, ann, "waitlist")
    browser.wait_for_text("your place: 1")
    browser.press_button("Leave the waitlist")
    browser.press_button("Leave", "dialog")
    browser.wait_for_text("You are on no waitlist.")
    assert db.waitlist.count_documents({"active": True}) == 0
    browser.open(f"{site}/account/data")
    browser.press_button("Download my data")
    browser.wait_for_text("The file is among your downloads.")
    browser.press_button("Delete the account")
    browser.wait_for("document.querySelector('.field-error')")
    browser.click("[name=sure]")
    browser.press_button("Delete the account")
    browser.press_button("Delete the account", "dialog")
    browser.wait_for("location.pathname === '/'")
    assert db.users.find_one({"_id": ann.id}) is None
    browser.open(f"{site}/account/data")
    browser.wait_for("location.pathname === '/account/sign-in'")
    browser.delete_cookies()


def test_what_was_typed_stays_when_the_network_or_the_session_is_gone(browser, site, app, db, ann):
    open_signed_in(browser, site, app, ann, "profile")
    browser.fill("#about", "A long text")
    browser.set_online(False)
    browser.press_button("Save")
    browser.wait_for_text("The server cannot be reached.")
    browser.set_online(True)
    db.sessions.delete_many({})
    browser.press_button("Save")
    browser.wait_for_text("You are signed out.")
    assert browser.run("return document.querySelector('#about').value") == "A long text"
    browser.delete_cookies()


@pytest.mark.parametrize("name", NAMES)
def test_a_page_suits_all_sizes_and_everybody(browser, site, app, db, ann, check_page, name):
    ann.book(event_of(db, 5, title="A concert with a rather long title in the open air"))
    ann.book(event_of(db, 5, title="Held"), hold=True)
    full = event_of(db, 1, title="Full")
    Caller(app.test_client(), app).book(full)
    ann.call("POST", "/waitlist", {"eventId": full, "quantity": 1})
    notify(db, ann.id, title="News", message="One\ntwo")
    open_signed_in(browser, site, app, ann, name)
    browser.console_errors()
    browser.open(f"{site}/account/{name}")
    browser.wait_for_text("Sign out")
    check_page(f"account-{name}")
    browser.delete_cookies()


@pytest.mark.parametrize("name", ["sign-in", "sign-up", "sign-out"])
def test_a_form_suits_all_sizes_and_everybody(browser, site, check_page, name):
    browser.open(f"{site}/account/{name}?lang=el")
    check_page(f"account-{name}")


def test_a_refused_form_suits_everybody(browser, site, db, axe):
    browser.open(f"{site}/account/sign-up")
    browser.run("document.forms[0].noValidate = true; document.forms[0].requestSubmit()")
    browser.wait_for("document.querySelector('.field-error')")
    assert browser.list_violations(axe) == []
    assert re.search("Enter a name", browser.text())
