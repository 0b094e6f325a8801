"""The page of a booking: its cookie, what it shows, and how little others learn."""

import re
from datetime import timedelta

import pytest
from bson import ObjectId

from eventapp.core.clock import utc_now
from tests.booking_links import make_key, make_link
from tests.bookings_factories import Caller, context_of, event_of, types
from tests.factories import day, make_user
from tests.http.test_booking_links import Registered
from tests.page_sessions import ORIGIN, make_browser

COOKIE, SECURE_COOKIE = "eventapp_booking", "__Secure-eventapp_booking"
FROM_PAGE = {"Origin": ORIGIN}
XSS = "<img src=x onerror=alert(1)>\"'"


@pytest.fixture
def booking(db, holder):
    return holder.book(event_of(db, 10), 2)


@pytest.fixture
def browser(app):
    """A browser without cookies."""
    return app.test_client()


def path_of(booking):
    return f"/b/{booking['bookingReference']}"


def follow_link(browser, app, booking):
    """Open the link of a mail, and return the page that it leads to."""
    link = make_link(app, booking)
    return browser.get(link[link.index("/b/") :], follow_redirects=True)


def test_the_link_leads_to_an_address_without_its_key(browser, app, booking):
    path, key = path_of(booking), make_key(app, booking)
    answer = browser.get(f"{path}?key={key}&lang=el")
    assert answer.status_code == 303
    assert answer.headers["Location"] == f"{path}?lang=el"
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert key not in answer.text
    (cookie,) = answer.headers.getlist("Set-Cookie")
    assert cookie == f"{COOKIE}={key}; HttpOnly; Path={path}; SameSite=Lax"
    page = browser.get(path)
    assert page.status_code == 200
    assert page.headers["Cache-Control"] == "private, no-store"
    assert page.headers["Referrer-Policy"] == "same-origin"
    assert key not in page.text


def test_the_cookie_is_secure_on_https(make_app):
    app = make_app(PUBLIC_BASE_URL="https://tickets.example")
    browser = app.test_client()
    answer = browser.get(f"/b/EVT-ABCDEF?key=lnk_{'A' * 43}", base_url="https://tickets.example")
    (cookie,) = answer.headers.getlist("Set-Cookie")
    assert cookie.startswith(f"{SECURE_COOKIE}=lnk_")
    assert "; Secure; HttpOnly; Path=/b/EVT-ABCDEF; SameSite=Lax" in cookie


def test_a_lower_case_reference_leads_to_the_page(browser, app, booking):
    key = make_key(app, booking)
    answer = browser.get(f"{path_of(booking).lower()}?key={key}", follow_redirects=True)
    assert answer.status_code == 200
    assert answer.request.path == path_of(booking)


@pytest.mark.parametrize("key", ["", "x", "lnk_short", "lnk_" + "A" * 44, "lnk_é", "a;b\r\nX: y"])
def test_what_has_not_the_form_of_a_key_is_not_kept(browser, booking, key):
    answer = browser.get(path_of(booking), query_string={"key": key})
    assert answer.status_code == 303
    assert answer.headers.getlist("Set-Cookie") == []


@pytest.mark.parametrize("reference", ["a;b", "x" * 41, "%2e%2e", "a%0d%0ab", "ψ"])
def test_what_has_not_the_form_of_a_reference_leads_nowhere(browser, db, reference):
    answer = browser.get(f"/b/{reference}?key=lnk_{'A' * 43}")
    assert answer.status_code == 404
    assert "Set-Cookie" not in answer.headers


def test_the_key_is_in_no_log(make_app, capsys):
    app = make_app(LOG_LEVEL="debug", LOG_FORMAT="json")
    holder = Caller(app.test_client(), app)
    booking = holder.book(event_of(context_of(app).db, 5))
    key = make_key(app, booking)
    browser = app.test_client()
    for path in (path_of(booking), "/b/EVT-ZZZZZZ", f"{path_of(booking)}/calendar.ics", "/x"):
        browser.get(f"{path}?key={key}")
    body = {"reference": booking["bookingReference"], "key": key}
    token = browser.post("/api/bookings/link", json=body).json["token"]
    metrics = browser.get("/metrics").text
    logged = "".join(capsys.readouterr())
    assert "/b/<reference>" in logged
    for secret in (key[4:], token[4:], booking["bookingReference"]):
        assert secret not in logged + metrics


def test_the_page_shows_the_booking_and_a_code_for_each_ticket(browser, app, booking):
    page = follow_link(browser, app, booking).text
    for text in ("Sample Event", "Volos", booking["bookingReference"], "€40", "Confirmed"):
        assert text in page
    assert page.count("<svg") == 2
    assert "2 × A" in page
    policy = browser.get(path_of(booking)).headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "form-action 'self'" in policy


def test_whatever_was_typed_is_shown_as_text(browser, app, db, holder):
    questions = [
        {"questionId": 1, "label": XSS, "kind": "text", "required": True},
        {"questionId": 2, "label": "x", "kind": "choice", "choices": [XSS], "required": False},
    ]
    place = [{"date": day(30), "location": XSS}]
    listed = [{"type": XSS, "price": 0, "availableTickets": 5}]
    event_id = event_of(db, title=XSS, questions=questions, schedule=place, ticketTypes=listed)
    booking = holder.book(event_id)
    (ticket,) = holder.ticket_ids(booking)
    attendee = {"name": XSS, "answers": {"1": XSS, "2": XSS}}
    saved = holder.call("PUT", f"/tickets/{ticket}/attendee", attendee)
    assert saved.status_code == 200
    page = follow_link(browser, app, booking).text
    assert "<img" not in page
    assert page.count("&lt;img src=x onerror=alert(1)&gt;") >= 7


def test_wrong_links_are_shown_one_page(browser, app, db, booking, bob):
    path, key = path_of(booking), make_key(app, booking)
    other = bob.book(event_of(db, 5))
    pages = [browser.get(each) for each in (path, "/b/EVT-ZZZZZZ", "/b/x", path_of(other))]
    for wrong in (make_key(app, other), "lnk_" + "A" * 43):
        browser.get(f"{path}?key={wrong}")
        pages.append(browser.get(path))
    # The cookie of one booking is not sent to the page of another.
    browser.get(f"{path}?key={key}")
    pages.append(browser.get(path_of(other)))
    pages += [browser.get(f"{path_of(other)}/calendar.ics")]
    assert {each.status_code for each in pages} == {404}
    shown = {re.sub(r"/b/[\w-]+(/calendar.ics)?", "", each.text) for each in pages}
    assert len(shown) == 1
    assert "This link opens no booking" in pages[0].text
    assert browser.get(path).status_code == 200


def test_many_wrong_keys_are_limited_and_the_page_says_so(make_app):
    app = make_app(RATE_LIMIT_ENABLED="true", RATE_LIMIT_MAX_REQUESTS="200")
    browser = app.test_client()
    browser.get(f"/b/EVT-ABCDEF?key=lnk_{'A' * 43}")
    codes = [browser.get("/b/EVT-ABCDEF").status_code for _guess in range(11)]
    assert codes == [404] * 10 + [429]
    answer = browser.get("/b/EVT-ABCDEF")
    assert "Too many attempts" in answer.text
    assert int(answer.headers["Retry-After"]) > 0


def test_the_holder_who_is_signed_in_needs_no_link(app, db, host):
    user = make_user(app)
    other = make_user(app)
    caller = Caller.__new__(Caller)
    caller.client, caller.id, caller.headers = app.test_client(), user["id"], user["headers"]
    booking = caller.book(event_of(db, 5))
    path = path_of(booking)
    assert make_browser(app, user).get(path).status_code == 200
    assert make_browser(app, other).get(path).status_code == 404
    # Also after the link has ended.
    past = utc_now() - timedelta(days=60)
    changes = {"date": past, "startsAt": past, "endsAt": past, "scheduleId": None}
    db.bookings.update_one({"_id": ObjectId(booking["_id"])}, {"$set": changes})
    browser = make_browser(app, user)
    assert browser.get(path).status_code == 200
    answer = browser.post(f"{path}/token", headers=FROM_PAGE)
    headers = {"Authorization": f"Bearer {answer.json['accessToken']}"}
    shown = browser.get(f"/api/bookings/{booking['_id']}", headers=headers)
    assert shown.status_code == 200


def test_the_script_gets_a_token_for_the_booking(browser, app, booking):
    follow_link(browser, app, booking)
    token_path = f"{path_of(booking)}/token"
    answer = browser.post(token_path, headers=FROM_PAGE)
    assert answer.status_code == 200
    assert set(answer.json) == {"accessToken", "expiresAt", "bookingId"}
    assert answer.headers["Cache-Control"] == "private, no-store"
    headers = {"Authorization": f"Bearer {answer.json['accessToken']}"}
    assert browser.get(f"/api/bookings/{booking['_id']}", headers=headers).status_code == 200
    assert browser.get("/api/bookings", headers=headers).json["code"] == "not_for_links"
    for origin in ({}, {"Origin": "https://evil.example"}, {"Origin": "null"}):
        refused = browser.post(token_path, headers=origin)
        assert (refused.status_code, refused.json["code"]) == (403, "form_refused")
    assert browser.get(token_path).status_code == 405


def test_the_api_ignores_the_cookie(browser, app, booking):
    follow_link(browser, app, booking)
    assert browser.get(f"/api/bookings/{booking['_id']}").status_code == 401


def test_a_token_is_refused_without_the_cookie_as_with_a_wrong_one(browser, booking):
    answers = [browser.post(f"{path_of(booking)}/token", headers=FROM_PAGE)]
    browser.get(f"{path_of(booking)}?key=lnk_{'A' * 43}")
    answers.append(browser.post(f"{path_of(booking)}/token", headers=FROM_PAGE))
    answers.append(browser.post("/b/EVT-ZZZZZZ/token", headers=FROM_PAGE))
    assert {each.status_code for each in answers} == {404}
    assert {each.json["code"] for each in answers} == {"link_invalid"}


def test_the_page_ends_with_the_link(browser, app, client, db):
    ann = Registered(client)
    booking = ann.book(event_of(db, 5))
    assert follow_link(browser, app, booking).status_code == 200
    token = browser.post(f"{path_of(booking)}/token", headers=FROM_PAGE).json["accessToken"]
    assert ann.change_password().status_code == 200
    assert browser.get(path_of(booking)).status_code == 404
    assert browser.post(f"{path_of(booking)}/token", headers=FROM_PAGE).status_code == 404
    headers = {"Authorization": f"Bearer {token}"}
    shown = browser.get(f"/api/bookings/{booking['_id']}", headers=headers)
    assert shown.json["code"] == "token_revoked"
    assert follow_link(browser, app, booking).status_code == 200


def test_the_calendar_entry_is_a_file(browser, app, booking):
    follow_link(browser, app, booking)
    answer = browser.get(f"{path_of(booking)}/calendar.ics")
    assert answer.content_type == "text/calendar; charset=utf-8"
    assert "attachment" in answer.headers["Content-Disposition"]
    assert "BEGIN:VEVENT" in answer.text
    assert answer.headers["Cache-Control"] == "private, no-store"


def test_the_receipt_is_issued_by_its_form_alone(browser, app, db, booking):
    page = follow_link(browser, app, booking).text
    token = re.search(r'name="csrfToken" value="([^"]+)"', page)[1]
    path = f"{path_of(booking)}/receipt"
    assert browser.get(path).status_code == 405
    for data, headers in (
        ({}, FROM_PAGE),
        ({"csrfToken": token}, {}),
        ({"csrfToken": token}, {"Origin": "https://evil.example"}),
        ({"csrfToken": "x.y"}, FROM_PAGE),
    ):
        assert browser.post(path, data=data, headers=headers).status_code == 403
    other = app.test_client()
    refused = other.post(path, data={"csrfToken": token}, headers=FROM_PAGE)
    assert refused.status_code == 403
    assert db.receipts.count_documents({}) == 0
    receipt = browser.post(path, data={"csrfToken": token}, headers=FROM_PAGE)
    assert receipt.status_code == 200
    assert booking["bookingReference"] in receipt.text
    assert "default-src 'none'; style-src 'sha256-" in receipt.headers["Content-Security-Policy"]


def test_a_get_changes_nothing(browser, app, db, holder, booking):
    def read_all():
        names = set(db.list_collection_names()) - {"sessions"}
        return {name: list(db[name].find({})) for name in names}

    held = holder.book(event_of(db, 5), hold=True)
    holder.ticket_ids(booking)  # This makes the key that signs tickets, once for a server.
    before = read_all()
    for each in (booking, held):
        follow_link(browser, app, each)
        browser.get(f"{path_of(each)}/calendar.ics")
        browser.head(path_of(each))
    assert read_all() == before


def test_a_free_booking_has_no_receipt_and_nothing_to_pay(browser, app, db, holder):
    booking = holder.book(event_of(db, ticketTypes=types(5, price=0)))
    page = follow_link(browser, app, booking).text
    assert "Free" in page
    assert "csrfToken" not in page


def test_states_are_shown(browser, app, db, holder, bob):
    held = holder.book(event_of(db, 5), hold=True)
    page = follow_link(browser, app, held).text
    assert "Not paid yet" in page
    assert 'id="payment"' in page
    assert 'data-provider="mock"' in page
    assert "<svg" not in page
    expired = utc_now() - timedelta(seconds=1)
    db.bookings.update_one({"_id": ObjectId(held["_id"])}, {"$set": {"expiresAt": expired}})
    page = follow_link(browser, app, held).text
    assert "Expired" in page
    assert 'id="payment"' not in page
    cancelled = bob.book(event_of(db, 5))
    bob.cancel(cancelled)
    page = follow_link(browser, app, cancelled).text
    assert "Cancelled" in page
    assert "Refund" in page
    assert "<svg" not in page


def test_it_is_said_when_it_is_too_late_to_cancel(browser, app, db, holder):
    schedule = [{"date": day(0), "startTime": "23:59", "location": "Volos"}]
    booking = holder.book(event_of(db, 5, schedule=schedule))
    page = follow_link(browser, app, booking).text
    assert "It is too late to cancel" in page
    assert 'id="cancel"' not in page


def test_the_page_is_in_greek(browser, app, booking):
    follow_link(browser, app, booking)
    page = browser.get(path_of(booking), headers={"Accept-Language": "el"})
    assert page.headers["Content-Language"] == "el"
    assert "Τα εισιτήριά σας" in page.text
    refused = browser.get("/b/EVT-ZZZZZZ", headers={"Accept-Language": "el"})
    assert "Πώς θα λάβετε νέο σύνδεσμο" in refused.text
