"""The public pages: what they show of events and organizers, their headers, and their escaping."""

import json
import re

import pytest
from pymongo.errors import ServerSelectionTimeoutError

from tests.bookings_factories import Caller, event_of, types
from tests.factories import FAR_SCHEDULE, day
from tests.page_sessions import make_browser

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
HOSTILE = "</script><script>alert(1)</script>\"'&<!--\u2028\u2029"
SITE = "http://localhost"


def open_page(client, path, status=200, **headers):
    answer = client.get(path, headers={**BROWSER, **headers})
    assert answer.status_code == status, answer.text
    assert answer.content_type == "text/html; charset=utf-8"
    return answer


def read_structured_data(page):
    """Return the JSON-LD of a page."""
    return json.loads(re.search(r'<script type="application/ld\+json">(.*?)</script>', page)[1])


@pytest.mark.parametrize(
    ("accept", "is_page"),
    [
        ("text/html", True),
        (BROWSER["Accept"], True),
        ("text/html;q=0.5, application/json;q=0.4", True),
        ("*/*", False),
        (None, False),
        ("text/*", False),
        ("application/json", False),
        ("text/html;q=0, */*", False),
        ("application/json, text/html;q=0.1", False),
    ],
)
def test_the_root_is_a_page_for_who_names_html(client, accept, is_page):
    answer = client.get("/", headers={} if accept is None else {"Accept": accept})
    assert answer.status_code == 200
    assert (answer.content_type == "text/html; charset=utf-8") == is_page
    assert {"Accept", "Accept-Language"} <= set(answer.vary.as_set(preserve_casing=True))
    if not is_page:
        assert answer.json["api"] == f"{SITE}/api"


def test_pages_may_be_shared_until_they_change(client, db, host):
    event_id = event_of(db, 5, organizer_id=host.id)
    for path in ("/", f"/e/{event_id}", f"/o/{host.id}"):
        answer = open_page(client, path, Cookie="eventapp_session=x", Authorization="Bearer x")
        assert answer.headers["Cache-Control"] == "public, max-age=0, s-maxage=1, must-revalidate"
        assert "Accept-Language" in answer.headers["Vary"]
        assert "Set-Cookie" not in answer.headers
        assert "img-src 'self' data: https:;" in answer.headers["Content-Security-Policy"]
        again = client.get(path, headers={**BROWSER, "If-None-Match": answer.headers["ETag"]})
        assert (again.status_code, again.data) == (304, b"")


def test_the_list_is_that_of_the_api(client, db):
    event_of(db, 5, title="Rebetiko night", category="concert", schedule=FAR_SCHEDULE)
    event_of(db, 5, title="Cheap play", category="theater", ticketTypes=types(5, price=3))
    event_of(db, 5, title="Unseen", status="draft")
    event_of(db, 5, title="Called off", status="cancelled")
    page = open_page(client, "/").text
    assert page.index("Cheap play") < page.index("Rebetiko night")
    assert "Unseen" not in page
    assert "Called off" not in page
    for query, shown in (
        ("q=rebetik", ["Rebetiko night"]),
        ("category=theater", ["Cheap play"]),
        ("maxPrice=5", ["Cheap play"]),
        ("dateTo=2090-01-01", ["Cheap play"]),
        ("city=VÓLOS&sort=title", ["Cheap play", "Rebetiko night"]),
        ("sort=price-desc", ["Rebetiko night", "Cheap play"]),
        ("q=&category=&city=&dateFrom=&dateTo=&maxPrice=&sort=date&utm_source=x", None),
    ):
        page = open_page(client, f"/?{query}").text
        found = re.findall(r'<h2><a href="/e/\d">(.*?)</a>', page)
        assert found == (shown or ["Cheap play", "Rebetiko night"]), query
    corrected = open_page(client, "/?q=rebetyko").text
    assert "Rebetiko night" in corrected
    assert "These are the results for “rebetiko”" in corrected


def test_what_cannot_be_a_filter_is_said_beside_its_field(client, db):
    event_of(db, 5, title="Kept")
    page = open_page(client, "/?maxPrice=cheap&dateFrom=soon&category=magic&sort=x&page=-1").text
    assert page.count('class="field-error"') == 3
    assert 'value="cheap" aria-invalid="true" aria-describedby="maxPrice-error"' in page
    assert "Kept" in page


def test_pages_of_the_list_are_linked_with_their_filters(client, db):
    for _ in range(25):
        event_of(db, 5, title="One of many")
    page = open_page(client, "/?q=many&lang=el").text
    assert 'rel="next" href="/?q=many&amp;page=2&amp;lang=el"' in page
    second = open_page(client, "/?q=many&page=2").text
    assert 'rel="prev" href="/?q=many"' in second
    assert second.count("event-card") == 1
    assert 'href="/?q=many&amp;page=2"' in open_page(client, "/?q=many&page=9").text


@pytest.mark.parametrize(
    "path", ["/", "/nowhere", "/account/bookings", "/account/forgot", "/console"]
)
def test_the_links_to_other_languages_keep_the_query(app, host, path):
    browser = make_browser(app, {"id": host.id})
    query = "q=a%26b%22&tags=x&tags=y&lang=en&page=1"
    page = browser.get(f"{path}?{query}", headers=BROWSER).text
    assert '"?q=a%26b%22&amp;tags=x&amp;tags=y&amp;lang=el&amp;page=1" hreflang="el"' in page


def test_an_event_shows_what_can_be_booked(client, db, host):
    earlier, later = "2020-01-01T10:00:00Z", "2098-01-01T10:00:00Z"
    kinds = [
        {"type": "Now", "price": 12.5, "availableTickets": 3},
        {"type": "Later", "price": 0, "availableTickets": 3, "salesFrom": later},
        {"type": "Gone", "price": 5, "availableTickets": 0},
        {
            "type": "Too late",
            "price": 5,
            "availableTickets": 3,
            "salesUntil": earlier,
        },
        {"type": "Whispered", "price": 66, "availableTickets": 3, "visibility": "hidden"},
        {"type": "Unspoken", "price": 77, "availableTickets": 3, "visibility": "secret"},
    ]
    schedule = [
        {"date": "2099-06-15", "startTime": "20:30", "timezone": "Europe/Athens", "location": "A"},
        {"date": "2099-06-16", "startTime": "20:30", "timezone": "Europe/Athens", "location": "A"},
    ]
    body = {
        **{"title": "Shown", "description": "First\n\nSecond https://example.org/x.", "tags": []},
        **{"category": "concert", "organizer": "Host", "ticketTypes": kinds, "schedule": schedule},
    }
    event = host.call("POST", "/events", body)
    assert event.status_code == 201, event.json
    path = f"/e/{event.json['eventId']}"
    page = open_page(client, path).text
    assert page.count('Mon, 15 June 2099, <span class="hours">20:30</span>') == 1
    assert "€12.50" in page
    assert "On sale from Wed, 1 January 2098, 12:00" in page
    for text in ("On sale", "Sold out", "Sale ended", "Free", "Times are those of Athens."):
        assert text in page
    assert '<a href="https://example.org/x" rel="nofollow noopener ugc">' in page
    assert f'href="/o/{host.id}"' in page
    assert f'href="/api/events/{event.json["eventId"]}/calendar.ics"' in page
    assert "https://www.openstreetmap.org/search?query=A" in page
    assert "Whispered" not in page
    assert "Unspoken" not in page
    greek = open_page(client, f"{path}?lang=el")
    assert greek.headers["Content-Language"] == "el"
    assert "Δευ, 15 Ιουνίου 2099, " in greek.text


def test_quotas_count_for_each_date(client, db, host):
    schedule = [{"date": day(5), "location": "A"}, {"date": day(6), "location": "A"}]
    event_id = event_of(db, 5, 5, organizer_id=host.id, schedule=schedule)
    quota = {"name": "Hall", "capacity": 0, "scheduleIds": [1]}
    assert host.call("POST", f"/events/{event_id}/quotas", quota).status_code == 201
    quota = {"name": "Hall", "capacity": 0, "scheduleIds": [2], "ticketTypeIds": [2]}
    assert host.call("POST", f"/events/{event_id}/quotas", quota).status_code == 201
    page = open_page(client, f"/e/{event_id}").text
    dates = re.findall(r"<li>(.*?)</li>", page.split('class="dates"')[1], re.DOTALL)
    assert ">Sold out<" in dates[0]
    assert ">B sold out<" in dates[1]


def test_events_that_are_over_or_cancelled_say_so(client, db):
    over = event_of(db, 5, schedule=[{"date": day(-5), "location": "A"}])
    cancelled = event_of(db, 5, status="cancelled")
    assert "This event is over." in open_page(client, f"/e/{over}").text
    page = open_page(client, f"/e/{cancelled}").text
    assert "This event is cancelled." in page
    (described,) = read_structured_data(page)["@graph"]
    assert described["eventStatus"] == "https://schema.org/EventCancelled"


def test_drafts_and_unknown_events_are_alike(client, db, host):
    draft = event_of(db, 5, status="draft", organizer_id=host.id)
    shown = client.get(f"/e/{draft}", headers={**BROWSER, **host.headers})
    unknown = client.get("/e/999", headers=BROWSER)
    assert (shown.status_code, shown.data) == (404, unknown.data)
    assert client.get(f"/o/{host.id}", headers=BROWSER).status_code == 404


def test_nothing_that_people_type_is_read_as_html(client, db, host):
    entry = {"date": day(5), "location": HOSTILE[:190]}
    kinds = [{"type": HOSTILE, "price": 5, "availableTickets": 5, "description": HOSTILE}]
    event_id = event_of(
        db,
        organizer_id=host.id,
        title=HOSTILE,
        description=f"{HOSTILE} https://example.org/\"onclick='x'",
        organizer=HOSTILE,
        tags=[HOSTILE],
        schedule=[entry],
        ticketTypes=kinds,
        image='https://example.org/"onerror="alert(1)',
    )
    links = [{"url": "https://example.org/x", "label": "<script>alert(1)</script>"}]
    profile = {"name": "<script>alert(1)", "about": "<script>alert(1)\n<b>", "links": links}
    assert host.call("PUT", "/organizers/me", profile).status_code == 200
    typed = "?q=%3Cscript%3Ealert(1)&city=%22%3E%3Cb&tags=%3Cb&lang=%3Cb&maxPrice=%22%3E"
    for path in ("/", f"/e/{event_id}", f"/o/{host.id}", f"/{typed}"):
        page = open_page(client, path).text
        without_data = re.sub(r'<script type="application/ld\+json">.*?</script>', "", page)
        scripts = re.findall(r"<script[^>]*>", without_data)
        assert all(each.startswith('<script type="module" src="/static/') for each in scripts)
        assert "<b" not in re.sub(r"<(body|button|br|base)", "", without_data)
        assert '"onerror' not in without_data
        assert '"onclick' not in without_data
        if "application/ld+json" in page:
            raw = page.split('<script type="application/ld+json">')[1].split("</script>")[0]
            assert not set(raw) & set("<>&\u2028\u2029")
    (described,) = read_structured_data(open_page(client, f"/e/{event_id}").text)["@graph"]
    assert described["name"] == HOSTILE
    assert described["offers"][0]["name"] == HOSTILE
    assert described["location"]["name"] == entry["location"]


def test_a_year_of_dates_fits_into_a_page(client, db):
    schedule = [{"date": day(1 + each), "location": "Somewhere, Volos"} for each in range(366)]
    event_id = event_of(db, 1, 2, 3, 4, 5, schedule=schedule, description="ά" * 9_000)
    assert len(open_page(client, f"/e/{event_id}").data) < 100_000


def test_an_organizer_is_shown_with_the_profile(client, db, host):
    event_of(db, 5, organizer_id=host.id, title="Mine")
    event_of(db, 5, organizer_id=Caller(client, client.application).id, title="Not mine")
    links = [{"url": "https://example.org/programme", "label": "Programme"}]
    host.call("PUT", "/organizers/me", {"name": "Blue Note", "about": "A\n\nB", "links": links})
    page = open_page(client, f"/o/{host.id}").text
    assert "<h1>Blue Note</h1>" in page
    assert 'href="https://example.org/programme"' in page
    assert "Mine</a>" in page
    assert "Not mine" not in page
    assert read_structured_data(page)["sameAs"] == ["https://example.org/programme"]


@pytest.mark.parametrize(
    "path", ["/nowhere", "/e/999", "/o/" + "0" * 24, "/e/x", "/account/nowhere"]
)
def test_an_error_of_a_page_is_a_page(client, path):
    status = 400 if path == "/e/x" else 404
    page = open_page(client, path, status)
    assert page.headers["Cache-Control"] == "private, no-store"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert {"accept", "accept-language"} <= {each.lower() for each in page.vary}
    assert '<meta name="robots" content="noindex">' in page.text
    assert client.get(path, headers={"Accept": "*/*"}).is_json
    greek = open_page(client, f"{path}?lang=el", status)
    assert '<html lang="el">' in greek.text


@pytest.mark.parametrize(
    "path", ["/api/nowhere", "/api/events/999", "/images/no.webp", "/static/x/y"]
)
def test_an_error_of_anything_else_is_json(client, path):
    answer = client.get(path, headers=BROWSER)
    assert (answer.status_code, answer.is_json) == (404, True)


def test_an_exceeded_rate_limit_is_a_page(make_app):
    client = make_app(RATE_LIMIT_ENABLED="true", RATE_LIMIT_MAX_REQUESTS="1").test_client()
    assert client.get("/", headers=BROWSER).status_code == 200
    page = open_page(client, "/", 429)
    assert int(page.headers["Retry-After"]) > 0
    assert "Try again in" in page.text


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (RuntimeError("private"), 500, "Something went wrong"),
        (ServerSelectionTimeoutError("private"), 503, "busy or restarting"),
    ],
)
def test_a_fault_and_a_silent_database_are_pages(client, monkeypatch, error, status, text):
    def fail(*_args, **_options):
        raise error

    monkeypatch.setattr("eventapp.pages.list_views.list_home", fail)
    page = open_page(client, "/", status).text
    assert text in page
    assert "private" not in page
