"""The public pages in Chromium: search with suggestions, filters, events, organizers, errors."""

import pytest

from tests import bookings_factories as kit
from tests.factories import day

ENTER, ESCAPE, UP, DOWN = "\ue007", "\ue00c", "\ue013", "\ue015"
XSS = "<img src=x onerror=window.hacked=1>'\"&"
PHOTO = "/images/rebetiko-before-midnight.webp"


def make_schedule():
    hall, garden = f"Hall {XSS}, Volos", "Garden, Volos"
    return [
        {"date": day(30), "location": hall, "startTime": "20:00", "endTime": "23:00"},
        {"date": day(31), "location": garden, "startTime": "20:00", "doorsTime": "19:00"},
    ]


@pytest.fixture
def host(app, db, client):
    """An organizer with a public profile."""
    caller = kit.Caller(client, app, "organizer")
    links = [{"url": "https://example.org/programme", "label": f"Programme {XSS}"}]
    body = {"name": f"Blue Note {XSS}", "about": f"A house of jazz.\n\n{XSS}", "links": links}
    assert caller.call("PUT", "/organizers/me", body).status_code == 200
    return caller


def fill_site(db, host):
    """Store two pages of events, and return the eventId of one with several dates and a photo."""
    for number in range(24):
        kit.event_of(db, 5, image="", title=f"Workshop {number}", category="workshop")
    return kit.event_of(
        db,
        5,
        0,
        image=PHOTO,
        title=f"Rebetiko night {XSS}",
        organizer="Blue Note",
        organizer_id=host.id,
        category="concert",
        description=f"Songs of the harbour.\n\nhttps://example.org/songs\n{XSS}",
        tags=["rebetiko", "live"],
        schedule=make_schedule(),
        ticketTypes=kit.types(5, 0, price=12.5),
    )


def suggest(browser, text, count):
    """Type into the search, and wait until this many suggestions are shown."""
    browser.type("#q", text)
    browser.wait_for(f"document.querySelectorAll('#q-suggestions li').length === {count}")


def read_combobox(browser):
    """Return what a screen reader learns: whether the list is open, the option, and the status."""
    script = """
    const input = document.getElementById("q"), id = input.getAttribute("aria-activedescendant");
    return [input.getAttribute("aria-expanded"), id && document.querySelector(
      `#${id}[role=option][aria-selected=true] span`).textContent,
      document.querySelector(".suggesting [role=status]").textContent];
    """
    return browser.run(script)


def list_titles(browser):
    """Return the titles of the cards, in their order."""
    return browser.run("return [...document.querySelectorAll('.cards h2')].map(e => e.innerText)")


def test_search_with_suggestions(browser, site, db, host, axe, check_page):
    event_id = fill_site(db, host)
    browser.open(f"{site}/")
    check_page("home")
    title = f"Rebetiko night {XSS}"
    suggest(browser, "rebet", 2)
    assert read_combobox(browser) == ["true", None, "2 suggestions"]
    assert browser.list_violations(axe) == []
    browser.press(UP)
    assert read_combobox(browser)[1] == "rebetiko"
    browser.press(DOWN)
    assert read_combobox(browser)[1] == title
    browser.press(ESCAPE)
    assert read_combobox(browser) == ["false", None, ""]
    assert browser.run("return document.getElementById('q').value") == "rebet"
    suggest(browser, "i", 2)
    browser.press(DOWN + DOWN + ENTER)
    browser.wait_for("location.search.includes('q=rebetiko')")
    browser.wait_for_text("1 event", "main")
    assert list_titles(browser) == [title]
    browser.press_button("Filters and order")
    browser.run("document.getElementById('q').value = ''")
    suggest(browser, "rebetiko n", 1)
    browser.press(DOWN + ENTER)
    browser.wait_for(f"location.pathname === '/e/{event_id}'")
    assert browser.run("return window.hacked") is None


def test_filters_paging_and_language(browser, site, db, host, check_page):
    fill_site(db, host)
    browser.open(f"{site}/")
    browser.press_button("Next page")
    browser.wait_for_text("Page 2 of 2")
    assert len(list_titles(browser)) == 1
    browser.press_button("Previous page")
    browser.wait_for_text("Page 1 of 2")
    browser.press_button("Filters and order")
    browser.fill("#category", "concert")
    browser.fill("#city", "volos")
    browser.fill("#maxPrice", "13")
    browser.press_button("Show events")
    browser.wait_for_text("1 event", "main")
    check_page("home-filters")
    browser.press_button("Ελληνικά")
    browser.wait_for("document.documentElement.lang === 'el'")
    assert len(list_titles(browser)) == 1
    assert browser.run("return document.getElementById('category').value") == "concert"
    browser.open(f"{site}/?q=nothing&dateFrom=soon")
    browser.wait_for_text("Enter a date such as", "#dateFrom-error")
    check_page("home-nothing")
    browser.press_button("Remove filters")
    browser.wait_for("location.search === '?q=nothing'")


def test_an_event_its_organizer_and_an_error(browser, site, db, host, check_page):
    event_id = fill_site(db, host)
    browser.open(f"{site}/e/{event_id}")
    browser.wait_for("document.querySelector('#booking form')")
    browser.wait_for("document.querySelector('.event-picture').naturalWidth > 0")
    assert browser.run("return document.querySelectorAll('.dates li').length") == 2
    check_page("event")
    browser.press_button("Blue Note", ".by")
    browser.wait_for("location.pathname.startsWith('/o/')")
    browser.wait_for_text("A house of jazz.")
    check_page("organizer")
    assert browser.run("return window.hacked") is None
    browser.open(f"{site}/e/999")
    browser.wait_for_text("This page does not exist")
    # The console of the browser mentions the status of the page.
    assert "404" in browser.console_errors()[0]
    check_page("not-found")
    browser.press_button("See all events")
    browser.wait_for_text("Upcoming events", "h1")


def test_pages_can_be_read_without_a_script(client, db, host):
    event_id = fill_site(db, host)
    headers = {"Accept": "text/html"}
    home = client.get("/?q=rebetiko", headers=headers).text
    assert '<form class="search card" action="/" method="get"' in home
    assert f'href="/e/{event_id}"' in home
    event = client.get(f"/e/{event_id}", headers=headers).text
    for text in ("Songs of the harbour.", "Garden, Volos", "€12.50", "Sold out", "To book here"):
        assert text in event
    organizer = client.get(f"/o/{host.id}", headers=headers).text
    assert "A house of jazz." in organizer
    assert f'href="/e/{event_id}"' in organizer
