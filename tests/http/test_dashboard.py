"""The dashboard page: its files and policy, and its use in a real browser."""

import os
import random
import re
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from bson import ObjectId
from werkzeug.serving import make_server

from eventapp.core.clock import utc_now
from tests import sales
from tests.bookings_factories import Caller, event_of, types
from tests.browser import CHROMIUM, DRIVER, Browser

TAB, ENTER = "\ue004", "\ue007"
PASSWORD = "correct horse battery"
SCREENSHOTS = os.environ.get("SCREENSHOTS")  # the folder to save them in


def test_the_page_and_its_files_are_served_by_the_application(client):
    page = client.get("/dashboard")
    assert page.status_code == 200
    assert page.content_type == "text/html; charset=utf-8"
    links = re.findall(r'(?:src|href)="(/[^"]+)"', page.text)
    assert len(links) == 3
    for link in links:
        assert client.get(link).status_code == 200, link
    assert not re.search(r"https?://", page.text)


def test_the_policy_forbids_inline_code_and_other_origins(client):
    for path in ("/dashboard", "/dashboard/page.js"):
        policies = client.get(path).headers.getlist("Content-Security-Policy")
        assert len(policies) == 1
        assert "unsafe" not in policies[0]
        assert policies[0].startswith("default-src 'none'; script-src 'self';")
    page = client.get("/dashboard").text
    assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=|\sstyle=", page)
    script = client.get("/dashboard/page.js").text + client.get("/dashboard/charts.js").text
    assert not re.search(r"innerHTML|eval\(|document\.write|https?://(?!www\.w3\.org/)", script)


@pytest.mark.parametrize("file", ["index.html", "nothing.js", "..%2f__init__.py", "%2e%2e"])
def test_no_other_file_is_served(client, file):
    assert client.get(f"/dashboard/{file}").status_code in (404, 308)


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


@pytest.fixture
def host(client, db):
    """Register an organizer who has three events with bookings and a waitlist entry."""
    body = {"name": "Olga Host", "email": "olga@example.org", "password": PASSWORD}
    answer = client.post("/api/auth/register", json={**body, "role": "organizer"})
    user_id = ObjectId(answer.json["user"]["_id"])
    events = [
        event_of(db, organizer_id=user_id, title=title, ticketTypes=types(10, 20, price=19.95))
        for title in ("Jazz by the Harbour", "<b>Chess</b> & Coffee", "A very long title " * 5)
    ]
    stored = list(db.events.find({"eventId": {"$in": events}}))
    first = utc_now() - timedelta(days=29)
    db.bookings.insert_many(sales.at_random(random.Random(1), stored, 200, first, 28))
    ann, ben = Caller(client, client.application), Caller(client, client.application)
    ann.book(events[0], 10)
    ben.wait(events[0], 2)
    return body


def wait_until(browser, script):
    """Wait until a script returns a true value, and return it."""
    for _ in range(100):
        if found := browser.run(f"return {script}"):
            return found
        threading.Event().wait(0.1)
    raise AssertionError(f"{script}: {browser.console_errors()} {browser.run(STATUS_TEXT)}")


STATUS_TEXT = "return document.getElementById('status').textContent"
FIGURES_SHOWN = "!document.getElementById('figures').hidden"


def sign_in(browser, site, host):
    browser.open(f"{site}/dashboard")
    browser.run("sessionStorage.clear()")
    browser.open(f"{site}/dashboard")
    browser.type("#email", host["email"])
    browser.type("#password", host["password"] + ENTER)
    wait_until(browser, FIGURES_SHOWN)


def save_screenshot(browser, name):
    if SCREENSHOTS:
        (Path(SCREENSHOTS) / f"{name}.png").write_bytes(browser.screenshot())


def test_an_organizer_signs_in_sees_the_figures_and_signs_out(browser, site, host, client):
    browser.resize(1280, 900)
    sign_in(browser, site, host)
    text = browser.run("return document.body.innerText")
    headers = {"Authorization": f"Bearer {_token(client, host)}"}
    figures = client.get("/api/analytics/overview", headers=headers).json
    assert f"\u20ac{figures['revenue']:,.2f}" in text
    assert "Olga Host (organizer)" in text
    assert "<b>Chess</b> & Coffee" in text  # as text, not as markup
    assert browser.run("return document.querySelectorAll('#best progress').length") == 3
    assert browser.run("return document.querySelectorAll('#revenue circle').length") == 30
    assert browser.run("return document.querySelectorAll('#bookings rect').length") == 30
    assert "Jazz by the Harbour" in browser.run(
        "return document.querySelector('#waitlist').innerText"
    )
    assert browser.console_errors() == []
    save_screenshot(browser, "wide")
    browser.open(f"{site}/dashboard")  # a reload keeps the session
    wait_until(browser, FIGURES_SHOWN)
    browser.click("#sign-out")
    wait_until(browser, "!document.getElementById('sign-in').hidden")
    assert browser.run("return sessionStorage.length") == 0


def _token(client, host):
    body = {"email": host["email"], "password": host["password"]}
    return client.post("/api/auth/login", json=body).json["accessToken"]


@pytest.mark.parametrize("dark", [False, True])
def test_the_page_fits_a_phone(browser, site, host, dark):
    browser.resize(360, 740, dark=dark)
    sign_in(browser, site, host)
    assert browser.run("return document.documentElement.scrollWidth") <= 360
    background = browser.run("return getComputedStyle(document.body).backgroundColor")
    assert (max(int(n) for n in re.findall(r"\d+", background)) < 60) is dark
    small = "[...document.querySelectorAll('button, input, select')]"
    visible = f"{small}.filter(e => e.offsetHeight && e.offsetHeight < 40).length"
    assert browser.run(f"return {visible}") == 0
    save_screenshot(browser, "phone-dark" if dark else "phone")
    assert browser.console_errors() == []


def test_the_page_works_with_the_keyboard_alone(browser, site, host):
    browser.resize(1280, 900)
    browser.open(f"{site}/dashboard")
    browser.run("sessionStorage.clear()")
    browser.open(f"{site}/dashboard")
    browser.press([TAB, TAB])
    assert browser.run("return document.activeElement.id") == "email"
    browser.press([*host["email"], TAB, *host["password"], ENTER])
    wait_until(browser, FIGURES_SHOWN)
    seen = set()
    for _ in range(20):
        browser.press([TAB])
        seen.add(browser.run("return document.activeElement.name || document.activeElement.id"))
    assert {"from", "to", "interval", "sign-out"} <= seen
    browser.run("document.querySelector('#period select').value = 'week'")
    browser.run("document.querySelector('#period select').focus()")
    browser.press([TAB, ENTER])
    wait_until(browser, "document.querySelectorAll('#revenue circle').length < 8")


def test_a_wrong_password_and_an_attendee_are_refused(browser, site, host, client):
    body = {"name": "Al", "email": "al@example.org", "password": PASSWORD}
    client.post("/api/auth/register", json=body)
    browser.open(f"{site}/dashboard")
    browser.run("sessionStorage.clear()")
    browser.open(f"{site}/dashboard")
    browser.type("#email", body["email"])
    browser.type("#password", f"wrong-password{ENTER}")
    wait_until(browser, "document.querySelector('#status.error')")
    browser.type("#password", PASSWORD + ENTER)
    wait_until(browser, "document.getElementById('status').textContent.includes('Only organizers')")
    assert browser.run(f"return {FIGURES_SHOWN}") is False


# A stand-in for `fetch`: what it does with the paths that contain a text. The others are fetched.
FAKE_FETCH = """
const [pathPart, behaviour, status, headers, body] = arguments;
window.realFetch ??= window.fetch;
window.calls = [];
window.fetch = async (url, options) => {
  window.calls.push(url);
  if (!url.includes(pathPart)) return window.realFetch(url, options);
  if (behaviour === "fail") throw new TypeError("Failed to fetch");
  if (behaviour === "hang") return new Promise((_, reject) =>
    reject(new DOMException("signal timed out", "TimeoutError")));
  return new Response(body, { status, headers });
};
"""


def fake_fetch(browser, path_part, behaviour="answer", status=200, headers=None, body="{}"):
    browser.run(FAKE_FETCH, path_part, behaviour, status, headers or {}, body)


RAW_ERRORS = re.compile(r"fetch|token|JSON|undefined|Error|<|signal", re.I)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"behaviour": "fail"}, "The server can't be reached"),
        ({"behaviour": "hang"}, "takes too long"),
        ({"status": 503, "body": '{"message": "Database unavailable"}'}, "busy or restarting"),
        ({"status": 502, "body": "<html>Bad gateway</html>"}, "busy or restarting"),
        ({"status": 500, "body": "<html>"}, "Something went wrong"),
        ({"status": 200, "body": "<html>Wi-Fi login</html>"}, "can't be read"),
        ({"status": 429, "headers": {"Retry-After": "90"}}, "Try again in 90 seconds."),
        ({"status": 429, "headers": {"Retry-After": "600"}}, "Try again in 10 minutes."),
        ({"status": 429, "headers": {"Retry-After": "1"}}, "Try again in 1 second."),
    ],
    ids=str,
)
def test_a_failure_is_told_in_words_and_ends_no_session(browser, site, host, answer, words):
    sign_in(browser, site, host)
    fake_fetch(browser, "/analytics/", **answer)
    browser.run("document.getElementById('period').requestSubmit()")
    wait_until(browser, "document.querySelector('#status.error')")
    shown = browser.run(STATUS_TEXT)
    assert words in shown
    assert not RAW_ERRORS.search(shown)
    assert browser.run("return sessionStorage.length") == 1
    browser.run("window.fetch = window.realFetch")
    browser.click("#retry")
    wait_until(browser, "document.getElementById('status').textContent.startsWith('Figures')")
    assert browser.run("return document.getElementById('retry').hidden") is True


EXPIRE_TOKEN = "session.token = 'expired'; storeSession(session)"


def test_requests_at_once_share_one_refresh(browser, site, host):
    sign_in(browser, site, host)
    before = browser.run("return session.refreshToken")
    fake_fetch(browser, "nothing")
    browser.run(
        f"{EXPIRE_TOKEN}; Promise.all([1, 2, 3].map(() => requestWithRefresh('/auth/profile')))"
        ".then(() => { window.finished = true; })"
    )
    wait_until(browser, "window.finished")
    calls = browser.run("return window.calls.filter((url) => url.includes('refresh')).length")
    assert calls == 1
    assert browser.run("return session.refreshToken") != before
    assert browser.run("return JSON.parse(sessionStorage['eventapp.dashboard']).token") != "expired"


@pytest.mark.parametrize("status", [503, 429, 500])
def test_a_refresh_that_fails_for_now_keeps_the_session(browser, site, host, status):
    sign_in(browser, site, host)
    fake_fetch(browser, "/auth/refresh", status=status, body="<html>")
    browser.run(f"{EXPIRE_TOKEN}; document.getElementById('period').requestSubmit()")
    wait_until(browser, "document.querySelector('#status.error')")
    assert browser.run("return sessionStorage.length") == 1
    browser.run("window.fetch = window.realFetch")
    browser.click("#retry")
    wait_until(browser, "document.getElementById('status').textContent.startsWith('Figures')")


def test_an_ended_session_shows_the_form_and_says_so(browser, site, host, db):
    sign_in(browser, site, host)
    db.sessions.delete_many({})
    browser.run("document.getElementById('period').requestSubmit()")
    wait_until(browser, "!document.getElementById('sign-in').hidden")
    assert browser.run(STATUS_TEXT) == "Your session has ended. Sign in again."
    assert browser.run("return sessionStorage.length") == 0


def test_a_reload_while_the_server_is_down_offers_to_try_again(browser, site, host):
    sign_in(browser, site, host)
    fake_fetch(browser, "/api/", behaviour="fail")
    browser.run("document.getElementById('figures').hidden = true; run(load)")
    wait_until(browser, "!document.getElementById('retry').hidden")
    assert browser.run("return document.getElementById('sign-in').hidden") is True
    browser.run("window.fetch = window.realFetch")
    browser.click("#retry")
    wait_until(browser, FIGURES_SHOWN)


def test_signing_out_offline_ends_the_session_of_the_page(browser, site, host):
    sign_in(browser, site, host)
    fake_fetch(browser, "/auth/logout", behaviour="fail")
    browser.click("#sign-out")
    wait_until(browser, "!document.getElementById('sign-in').hidden")
    assert browser.run("return sessionStorage.length") == 0
