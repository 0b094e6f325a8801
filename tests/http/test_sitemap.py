"""The files for search engines: robots.txt and the sitemap."""

import re
from xml.etree import ElementTree

import pytest

from eventapp.pages.sitemap import SITEMAPS, Sitemaps
from tests.bookings_factories import event_of, types
from tests.factories import day

SITE = "http://localhost"


@pytest.fixture
def keep(app, db):
    """A function that replaces what is kept of the sitemap, with ranges of a size."""
    yield lambda size: SITEMAPS.set(app, Sitemaps(size))
    SITEMAPS.set(app, Sitemaps())


def read_paths(answer):
    assert answer.status_code == 200
    assert answer.content_type == "application/xml; charset=utf-8"
    places = ElementTree.fromstring(answer.data).iterfind(".//{*}loc")
    return [place.text.removeprefix(SITE) for place in places]


def test_robots_are_kept_from_what_is_no_public_page(client):
    answer = client.get("/robots.txt")
    assert answer.content_type == "text/plain; charset=utf-8"
    for path in ("/api/", "/account", "/console", "/b/"):
        assert f"Disallow: {path}\n" in answer.text
    assert f"Sitemap: {SITE}/sitemap.xml" in answer.text


def test_the_sitemap_has_the_pages_of_upcoming_events_and_their_organizers(client, db, host, keep):
    keep(100)
    secret = [{**each, "visibility": "secret"} for each in types(5)]
    shown = event_of(db, 5, organizer_id=host.id)
    event_of(db, 5, status="draft", organizer_id=host.id)
    event_of(db, 5, status="cancelled")
    event_of(db, 5, schedule=[{"date": day(-3), "location": "A"}])
    event_of(db, ticketTypes=secret)
    other = event_of(db, 5)
    answer = client.get("/sitemap.xml")
    assert read_paths(answer) == ["/", f"/e/{shown}", f"/o/{host.id}", f"/e/{other}"]
    assert len(re.findall(r"<lastmod>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ</lastmod>", answer.text)) == 3
    assert answer.headers["Cache-Control"] == "public, max-age=3600"
    again = client.get("/sitemap.xml", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304
    event_of(db, 5)
    assert client.get("/sitemap.xml").data == answer.data  # kept for an hour


def test_many_events_are_in_several_files(client, db, keep):
    keep(2)
    for _ in range(5):
        event_of(db, 5)
    event_of(db, 5, status="draft")
    event_of(db, 5, status="draft")
    last = event_of(db, 5)
    parts = read_paths(client.get("/sitemap.xml"))
    assert parts == [f"/sitemap-{number}.xml" for number in (0, 1, 2, 4)]
    paths = [path for part in parts for path in read_paths(client.get(part))]
    assert [path for path in paths if path != "/"] == [f"/e/{n}" for n in (1, 2, 3, 4, 5, last)]
    assert client.get("/sitemap-3.xml").status_code == 404
    assert client.get("/sitemap-99.xml").status_code == 404
