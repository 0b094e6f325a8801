"""The console's figures of all events, which were the dashboard."""

import random
import re
from datetime import timedelta

import pytest
from flask import Response
from werkzeug.exceptions import abort

from eventapp.core.clock import utc_now
from eventapp.pages.routes import account_token
from tests import sales
from tests.bookings_factories import Caller, event_of, types
from tests.page_sessions import COOKIE, make_browser, open_page_session

TAB, ENTER = "\ue004", "\ue007"
PERIOD_SHOWN = """!document.getElementById('period').dataset.busy
  && !document.getElementById('message').textContent"""
FIGURES_SHOWN = "document.getElementById('figures')?.hidden === false"


@pytest.fixture
def host(client, app, db):
    """An organizer who has three events with bookings and a waitlist entry."""
    caller = Caller(client, app, "organizer")
    events = [
        event_of(db, organizer_id=caller.id, title=title, ticketTypes=types(10, 20, price=19.95))
        for title in ("Jazz by the Harbour", "<b>Chess</b> & Coffee", "A very long title " * 5)
    ]
    stored = list(db.events.find({"eventId": {"$in": events}}))
    first = utc_now() - timedelta(days=29)
    db.bookings.insert_many(sales.at_random(random.Random(1), stored, 200, first, 28))
    ann, ben = Caller(client, app), Caller(client, app)
    ann.book(events[0], 10)
    ben.wait(events[0], 2)
    return caller


@pytest.fixture
def open_figures(app, browser, site):
    """A function that opens the page of the figures, signed in as a caller."""

    def open_as(caller):
        browser.open(f"{site}/healthz")
        browser.delete_cookies()
        secret = open_page_session(app, {"id": caller.id})
        browser.run(f"document.cookie = '{COOKIE}={secret}; path=/'")
        browser.open(f"{site}/console/figures")

    return open_as


@pytest.fixture
def figures_page(browser, open_figures, host):
    """The page of the figures of `host`, which is loaded."""
    browser.resize(1280, 900)
    open_figures(host)
    browser.wait_for(FIGURES_SHOWN)
    return browser


@pytest.mark.parametrize("path", ["/dashboard", "/dashboard?lang=el"])
def test_the_former_address_leads_to_the_console_for_good(client, path):
    answer = client.get(path)
    assert answer.status_code == 308
    assert answer.location == path.replace("/dashboard", "/console")


@pytest.mark.parametrize(
    "file", ["page.js", "page.css", "charts.js", "index.html", "nothing.js", "..%2f__init__.py"]
)
def test_the_former_files_are_gone(client, file):
    assert client.get(f"/dashboard/{file}").status_code in (404, 308)


def test_the_policy_forbids_inline_code_and_other_origins(app, host):
    answer = make_browser(app, {"id": host.id}).get("/console/figures")
    policies = answer.headers.getlist("Content-Security-Policy")
    assert len(policies) == 1
    assert "unsafe" not in policies[0]
    assert policies[0].startswith("default-src 'none'; script-src 'self';")
    assert not re.search(r"https?://", answer.text)


def test_an_organizer_sees_the_figures(figures_page, check_page, client, host):
    text = figures_page.text()
    figures = client.get("/api/analytics/overview", headers=host.headers).json
    assert f"\u20ac{figures['revenue']:,.2f}" in text
    assert "<b>Chess</b> & Coffee" in text  # as text, not as markup
    count = "return document.querySelectorAll('{}').length"
    assert figures_page.run(count.format("#best progress")) == 3
    assert figures_page.run(count.format("#revenue circle")) == 30
    assert figures_page.run(count.format("#bookings rect")) == 30
    assert "Jazz by the Harbour" in figures_page.text("#waitlist")
    figures_page.press_button("The same as a table")
    assert figures_page.run(count.format("#points tbody tr")) == 30
    check_page("console-figures")
    figures_page.press_button("Payments as CSV")
    figures_page.wait_for("!document.querySelector('[aria-busy=true]')")
    assert figures_page.text("#message") == ""


def test_the_page_fits_a_phone_and_its_controls_a_finger(figures_page):
    figures_page.resize(360, 740)
    assert not figures_page.is_wider_than_window()
    small = "[...document.querySelectorAll('main button, main input, main select')]"
    visible = f"{small}.filter(e => e.offsetHeight && e.offsetHeight < 44).length"
    assert figures_page.run(f"return {visible}") == 0


def test_the_page_works_with_the_keyboard_alone(figures_page):
    seen = set()
    for _ in range(25):
        figures_page.press([TAB])
        seen.add(figures_page.run("return document.activeElement.name"))
    assert {"from", "to", "interval"} <= seen
    figures_page.run("document.getElementById('interval').value = 'week'")
    figures_page.run("document.getElementById('interval').focus()")
    figures_page.press([TAB, ENTER])
    figures_page.wait_for("document.querySelectorAll('#revenue circle').length < 8")


def test_an_admin_sees_the_figures_of_all_events(app, browser, open_figures, host, client):
    open_figures(Caller(client, app, "admin"))
    browser.wait_for(FIGURES_SHOWN)
    assert "Jazz by the Harbour" in browser.text("#best")


# A stand-in for `fetch`: what it does with the paths that contain a text. The others are fetched.
FAKE_FETCH = """
const [pathPart, behaviour, status, headers, body] = arguments;
window.realFetch ??= window.fetch;
window.fetch = async (url, options) => {
  if (!url.includes(pathPart)) return window.realFetch(url, options);
  if (behaviour === "fail") throw new TypeError("Failed to fetch");
  if (behaviour === "hang") return new Promise((_, reject) =>
    reject(new DOMException("signal timed out", "TimeoutError")));
  return new Response(body, { status, headers });
};
"""
RAW_ERRORS = re.compile(r"fetch|token|JSON|undefined|Error|<|signal", re.I)


def fake_fetch(browser, path_part, behaviour="answer", status=200, headers=None, body="{}"):
    browser.run(FAKE_FETCH, path_part, behaviour, status, headers or {}, body)


FAILURES = [
    ({"behaviour": "fail"}, "The server cannot be reached"),
    ({"behaviour": "hang"}, "takes too long"),
    ({"status": 503, "body": '{"message": "Database unavailable"}'}, "busy or restarting"),
    ({"status": 502, "body": "<html>Bad gateway</html>"}, "busy or restarting"),
    ({"status": 500, "body": "<html>"}, "Something went wrong"),
    ({"status": 200, "body": "<html>Wi-Fi login</html>"}, "cannot be read"),
    ({"status": 429, "headers": {"Retry-After": "90"}}, "Try again in 90 seconds."),
    ({"status": 429, "headers": {"Retry-After": "600"}}, "Try again in 10 minutes."),
    ({"status": 429, "headers": {"Retry-After": "1"}}, "Try again in 1 second."),
]


def test_failures_are_told_in_words_and_end_no_session(figures_page):
    for answer, words in FAILURES:
        fake_fetch(figures_page, "/analytics/", **answer)
        figures_page.run("document.getElementById('period').requestSubmit()")
        figures_page.wait_for_text(words, "#message")
        assert not RAW_ERRORS.search(figures_page.text("#message"))
        figures_page.run("window.fetch = window.realFetch")
        figures_page.press_button("Show")
        figures_page.wait_for(PERIOD_SHOWN)


def test_calls_at_once_share_one_token(figures_page):
    count = (
        "performance.getEntriesByType('resource').filter(e => e.name.endsWith('/account/token'))"
    )
    assert figures_page.run(f"return {count}.length") == 1


@pytest.mark.parametrize("status", [503, 429, 500])
def test_a_refused_token_ends_no_session(browser, open_figures, host, monkeypatch, status):
    def refuse():
        monkeypatch.undo()
        abort(Response("<html>", status))

    monkeypatch.setattr(account_token, "current_page_session", refuse)
    open_figures(host)
    browser.wait_for("document.querySelector('#failure.message')")
    assert not RAW_ERRORS.search(browser.text("#failure"))
    browser.press_button("Try again")
    browser.wait_for(FIGURES_SHOWN)
    browser.console_errors()


def test_an_ended_session_leads_to_signing_in(figures_page, db):
    db.sessions.delete_many({})
    figures_page.run("document.getElementById('period').requestSubmit()")
    figures_page.wait_for_text("Sign in again", "#message")
    figures_page.console_errors()


def test_a_load_while_the_server_is_down_offers_to_try_again(figures_page):
    figures_page.set_online(False)
    figures_page.run("document.getElementById('period').requestSubmit()")
    figures_page.wait_for_text("The server cannot be reached.", "#message")
    figures_page.set_online(True)
    figures_page.press_button("Show")
    figures_page.wait_for(PERIOD_SHOWN)
    figures_page.console_errors()
